// moby's own Go client. Logs go through stdcopy.StdCopy, documents through the decoders that its users take.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/docker/docker/pkg/stdcopy"
)

const jobs = "logs logs_ts logs_co logs_f attach tty stats events pull list_cl list_ch list10 ping many:N:S"

var (
	limits = map[string]int{"list_cl": 2000, "list_ch": 2001, "list10": 10}
	ctx    = context.Background()
)

type seen struct {
	items, bytes int64 // -1: not known
	calls        []float64
}

type counter struct{ writes, bytes int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.writes++
	c.bytes += int64(len(p))
	return len(p), nil
}

func frames(r io.Reader) (seen, error) {
	var out, err counter
	_, trouble := stdcopy.StdCopy(&out, &err, r)
	return seen{items: out.writes + err.writes, bytes: out.bytes + err.bytes}, trouble
}

func logs(cli *client.Client, name string, timestamps bool) (io.ReadCloser, error) {
	return cli.ContainerLogs(ctx, name, types.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Timestamps: timestamps,
	})
}

// documents decodes each into a value that `fresh` makes.
func documents(r io.Reader, fresh func() interface{}) (seen, error) {
	decoder := json.NewDecoder(r)
	for items := int64(0); ; items++ {
		switch err := decoder.Decode(fresh()); err {
		case nil:
		case io.EOF:
			return seen{items: items, bytes: -1}, nil
		default:
			return seen{}, err
		}
	}
}

func small(repeat int, call func() (int, error)) (seen, error) {
	s := seen{bytes: -1}
	for i := 0; i < repeat; i++ {
		begun := time.Now()
		items, err := call()
		if err != nil {
			return s, err
		}
		s.items += int64(items)
		s.calls = append(s.calls, time.Since(begun).Seconds())
	}
	return s, nil
}

func run(cli *client.Client, job string, repeat int) (seen, error) {
	name := fmt.Sprintf("%s.%d", job, repeat)
	switch job {
	case "logs", "logs_ts", "logs_co", "logs_f", "tty":
		r, err := logs(cli, name, job == "logs_ts")
		if err != nil {
			return seen{}, err
		}
		defer r.Close()
		if job == "tty" {
			var out counter
			_, err = io.Copy(&out, r)
			return seen{items: -1, bytes: out.bytes}, err
		}
		return frames(r)
	case "attach":
		conn, err := cli.ContainerAttach(ctx, name, types.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
		if err != nil {
			return seen{}, err
		}
		defer conn.Close()
		return frames(conn.Reader)
	case "stats":
		stats, err := cli.ContainerStats(ctx, name, true)
		if err != nil {
			return seen{}, err
		}
		defer stats.Body.Close()
		return documents(stats.Body, func() interface{} { return new(types.StatsJSON) })
	case "pull":
		r, err := cli.ImagePull(ctx, name+":latest", types.ImagePullOptions{})
		if err != nil {
			return seen{}, err
		}
		defer r.Close()
		return documents(r, func() interface{} { return new(jsonmessage.JSONMessage) })
	case "events":
		messages, errs := cli.Events(ctx, types.EventsOptions{Filters: filters.NewArgs(filters.Arg("container", name))})
		for items := int64(0); ; items++ {
			select {
			case <-messages:
			case err := <-errs:
				if err == io.EOF {
					return seen{items: items, bytes: -1}, nil
				}
				return seen{}, err
			}
		}
	case "ping":
		return small(repeat, func() (int, error) {
			_, err := cli.Ping(ctx)
			return 1, err
		})
	default:
		return small(repeat, func() (int, error) {
			containers, err := cli.ContainerList(ctx, types.ContainerListOptions{Limit: limits[job]})
			return len(containers), err
		})
	}
}

func usage() (user, system float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fail(err)
	}
	return time.Duration(u.Utime.Nano()).Seconds(), time.Duration(u.Stime.Nano()).Seconds()
}

// memory is in KiB, of this process; ru_maxrss would begin with what the process had that started this one.
func memory(field string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err)
	}
	var kib int64
	_, rest, _ := strings.Cut(string(status), field+":")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		fail(err)
	}
	return kib
}

type meter struct {
	startup, user, system float64
	startRSS              int64
	begun                 time.Time
}

func newMeter() *meter {
	user, system := usage()
	return &meter{startup: user + system, startRSS: memory("VmRSS")}
}

func (m *meter) start() {
	m.begun = time.Now()
	m.user, m.system = usage()
}

func (m *meter) report(s seen) {
	user, system := usage()
	line := map[string]interface{}{
		"items": s.items, "bytes": s.bytes, "user": user - m.user, "system": system - m.system,
		"wall": time.Since(m.begun).Seconds(), "start_rss": m.startRSS, "peak_rss": memory("VmHWM"), "startup": m.startup,
	}
	if s.items < 0 {
		line["items"] = nil
	}
	if s.bytes < 0 {
		line["bytes"] = nil
	}
	if n := len(s.calls); n > 0 {
		sort.Float64s(s.calls)
		line["p50"], line["p99"] = s.calls[n/2], s.calls[n*99/100]
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fail(err)
	}
}

func many(cli *client.Client, streams int, name string) {
	m := newMeter()
	if _, err := cli.Ping(ctx); err != nil {
		fail(err)
	}
	var here, done sync.WaitGroup
	here.Add(streams)
	done.Add(streams)
	lines := make([]int64, streams)
	for i := 0; i < streams; i++ {
		go func(i int) {
			r, err := logs(cli, name, false)
			if err != nil {
				fail(err)
			}
			here.Done()
			s, err := frames(r)
			if err != nil {
				fail(err)
			}
			r.Close()
			lines[i] = s.items
			done.Done()
		}(i)
	}
	here.Wait()
	m.start()
	done.Wait()
	s := seen{bytes: -1}
	for _, n := range lines {
		s.items += n
	}
	m.report(s)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--jobs" {
		fmt.Println(strings.ReplaceAll(jobs, " ", "\n"))
		return
	}
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: %s SOCKET JOB REPEAT", os.Args[0]))
	}
	job := os.Args[2]
	repeat, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail(err)
	}
	cli, err := client.NewClientWithOpts(client.WithHost("unix://"+os.Args[1]), client.WithVersion("1.41"))
	if err != nil {
		fail(err)
	}
	if strings.HasPrefix(job, "many:") {
		part := strings.Split(job, ":")
		streams, err := strconv.Atoi(part[1])
		if err != nil {
			fail(err)
		}
		many(cli, streams, strings.Join(part, "."))
		return
	}
	if !strings.Contains(" "+jobs+" ", " "+job+" ") {
		fmt.Fprintln(os.Stderr, job, "is not a job of this client")
		os.Exit(77)
	}
	m := newMeter()
	warm := 1
	if job == "ping" || job == "list10" {
		warm = 20
	}
	if _, err := run(cli, job, warm); err != nil {
		fail(err)
	}
	m.start()
	s, err := run(cli, job, repeat)
	if err != nil {
		fail(err)
	}
	m.report(s)
}
