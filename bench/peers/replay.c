/* The replay server: answers like an engine, from memory, as fast as the socket takes it.
 *
 *   replay SOCKET FOLDER [BYTES]    FOLDER is what tapes.py wrote; never more than BYTES in one write (no limit
 * without); prints "ready" when it listens; ends when stdin does
 *
 * A thread a connection. Which tape is wanted, and how often, stands in the request's target: "logs.30" is the tape
 * `logs` thirty times in one answer; /containers/json gives a list by its `limit`. README.md beside the clients has
 * all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEADERS                                                                                                        \
    "Api-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/20.10.24 (linux)\r\n"
#define DATE "Date: Mon, 23 Nov 2026 13:13:42 GMT\r\n"
#define MAX_STREAMS 16384
#define MAX_HEAD 65536

enum framing { CHUNKED, FLUSHED, LENGTH, RAW };

struct tape {
    char name[32], kind[64];
    enum framing framing;
    char *wire; /* one repetition, as it goes over the socket */
    size_t size;
    uint32_t *ends; /* FLUSHED: where each chunk ends in it */
    size_t chunks;
};

static struct tape tapes[32];
static size_t tape_count;
static size_t most = SIZE_MAX; /* bytes in one write */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* --- what is sent --- */

static void *load(const char *folder, const char *name, size_t *size)
{
    char path[4096];
    FILE *file;
    void *data;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if ((file = fopen(path, "rb")) == NULL || fseek(file, 0, SEEK_END) != 0)
        die(path);
    *size = (size_t)ftell(file);
    rewind(file);
    if ((data = malloc(*size + 1)) == NULL || fread(data, 1, *size, file) != *size)
        die(path);
    fclose(file);
    return data;
}

static void prepare(struct tape *tape, const char *body, size_t size, const uint32_t *lengths, size_t chunks)
{
    size_t i, at = 0;

    tape->chunks = chunks;
    tape->wire = malloc(size + chunks * 16);
    tape->ends = malloc(chunks * sizeof *tape->ends);
    if (tape->wire == NULL || tape->ends == NULL)
        die("malloc");
    for (i = 0; i < chunks; i++) {
        if (tape->framing <= FLUSHED)
            at += (size_t)sprintf(tape->wire + at, "%x\r\n", lengths[i]);
        memcpy(tape->wire + at, body, lengths[i]);
        body += lengths[i];
        at += lengths[i];
        if (tape->framing <= FLUSHED) {
            memcpy(tape->wire + at, "\r\n", 2);
            at += 2;
        }
        tape->ends[i] = (uint32_t)at;
    }
    tape->size = at;
}

static void load_tapes(const char *folder)
{
    static const char *framings[] = {"chunked", "flushed", "length", "raw"};
    char path[4096], framing[16], body_name[64], chunks_name[64];
    FILE *list;
    int i;

    snprintf(path, sizeof path, "%s/tapes.txt", folder);
    if ((list = fopen(path, "r")) == NULL)
        die(path);
    while (tape_count < sizeof tapes / sizeof *tapes) {
        struct tape *tape = &tapes[tape_count];
        size_t size, chunks_size;
        char *body;
        uint32_t *lengths;

        if (fscanf(list, "%31s %15s %63s %63s %63s", tape->name, framing, tape->kind, body_name, chunks_name) != 5)
            break;
        for (i = 0; i < 4; i++)
            if (strcmp(framing, framings[i]) == 0)
                tape->framing = (enum framing)i;
        body = load(folder, body_name, &size);
        lengths = load(folder, chunks_name, &chunks_size);
        prepare(tape, body, size, lengths, chunks_size / sizeof *lengths);
        free(body);
        free(lengths);
        tape_count++;
    }
    fclose(list);
}

static int put(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size < most ? size : most, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int put_head(int fd, const char *kind, const char *framing)
{
    char head[1024];
    int size =
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n" HEADERS "%s%s%s" DATE "%s\r\n\r\n",
                 *kind == '-' ? "" : "Content-Type: ", *kind == '-' ? "" : kind, *kind == '-' ? "" : "\r\n", framing);
    return put(fd, head, (size_t)size);
}

static int put_text(int fd, const char *status, const char *kind, const char *text, int head_only)
{
    char answer[8192];
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 %s\r\n" HEADERS "Content-Type: %s\r\n" DATE "Content-Length: %zu\r\n\r\n%s", status,
                        kind, head_only ? 0 : strlen(text), head_only ? "" : text);
    return put(fd, answer, (size_t)size);
}

static int put_tape(int fd, const struct tape *tape, long repeat)
{
    size_t i, at;

    while (repeat-- > 0) {
        if (tape->framing != FLUSHED) {
            if (put(fd, tape->wire, tape->size) != 0)
                return -1;
            continue;
        }
        for (i = at = 0; i < tape->chunks; at = tape->ends[i++])
            if (put(fd, tape->wire + at, tape->ends[i] - at) != 0)
                return -1;
    }
    return tape->framing <= FLUSHED ? put(fd, "0\r\n\r\n", 5) : 0;
}

/* --- many slow streams: all are held until they are all there; then one thread writes to them by turns --- */

static pthread_mutex_t many_lock = PTHREAD_MUTEX_INITIALIZER;
static int many_fds[MAX_STREAMS];
static long many_there;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t when)
{
    struct timespec t = {(time_t)(when / 1000000000), (long)(when % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/* Ten lines a second each, in ten groups: every 10 ms a tenth of the streams has its line. */
static void write_lines(const int *fds, long count, long seconds)
{
    int64_t start = now_ns();
    long step, i;
    char chunk[128];

    for (step = 0; step < seconds * 100; step++) {
        int size = snprintf(chunk, sizeof chunk,
                            "3f\r\n%c%c%c%c%c%c%c%cline %09ld of a container that says ten a second%2s\n\r\n", 1, 0, 0,
                            0, 0, 0, 0, 55, step, "");
        sleep_until(start + step * 10000000);
        for (i = step % 10; i < count; i += 10)
            send(fds[i], chunk, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    for (i = 0; i < count; i++) {
        put(fds[i], "0\r\n\r\n", 5);
        close(fds[i]);
    }
}

/* The connection is taken over: whoever comes last writes to all. */
static void join_many(int fd, long count, long seconds)
{
    static int fds[MAX_STREAMS];

    if (count < 1 || count > MAX_STREAMS || put_head(fd, "-", "Transfer-Encoding: chunked") != 0) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&many_lock);
    many_fds[many_there++] = fd;
    if (many_there < count) {
        pthread_mutex_unlock(&many_lock);
        return;
    }
    memcpy(fds, many_fds, (size_t)count * sizeof *fds);
    many_there = 0;
    usleep(300000); /* the client is told that all heads are there by the last of them, and begins to measure */
    write_lines(fds, count, seconds);
    pthread_mutex_unlock(&many_lock);
}

/* A quiet stream: a line every 20 ms that says when it was written (CLOCK_MONOTONIC, ns). */
static int put_quiet(int fd, long lines)
{
    char chunk[64];
    long i;

    for (i = 0; i < lines; i++) {
        usleep(20000);
        int size = snprintf(chunk, sizeof chunk, "1d\r\n%c%c%c%c%c%c%c%c%020lld\n\r\n", 1, 0, 0, 0, 0, 0, 0, 21,
                            (long long)now_ns());
        if (put(fd, chunk, (size_t)size) != 0)
            return -1;
    }
    return put(fd, "0\r\n\r\n", 5);
}

/* --- what is asked --- */

/* The number behind `name` and a dot anywhere in `target`, or -1. */
static long repeat_of(const char *target, const char *name, const char **rest)
{
    const char *at = target;
    size_t size = strlen(name);

    while ((at = strstr(at, name)) != NULL) {
        char *end;
        if (at[size] == '.' && at[size + 1] >= '0' && at[size + 1] <= '9') {
            long repeat = strtol(at + size + 1, &end, 10);
            if (rest != NULL)
                *rest = end;
            return repeat;
        }
        at++;
    }
    return -1;
}

static const struct tape *named(const char *name)
{
    size_t i;
    for (i = 0; i < tape_count; i++)
        if (strcmp(tapes[i].name, name) == 0)
            return &tapes[i];
    return NULL;
}

static const char *skip_version(const char *target)
{
    const char *slash = target[1] == 'v' ? strchr(target + 1, '/') : NULL;
    return slash != NULL ? slash : target;
}

static int inspect(int fd, const char *target)
{
    char id[128], text[4096];

    if (sscanf(target, "/containers/%127[^/]/json", id) != 1)
        return -1;
    snprintf(text, sizeof text,
             "{\"Id\":\"%s\",\"Created\":\"2026-11-23T13:13:42.47685772Z\",\"Path\":\"sh\",\"Args\":[],\"State\":"
             "{\"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Restarting\":false,\"OOMKilled\":false,"
             "\"Dead\":false,\"Pid\":195,\"ExitCode\":0,\"Error\":\"\",\"StartedAt\":\"2026-11-23T13:13:42.9Z\","
             "\"FinishedAt\":\"0001-01-01T00:00:00Z\"},\"Image\":\"sha256:6d37067298a5\",\"Name\":\"/%s\","
             "\"RestartCount\":0,\"Driver\":\"overlay2\",\"Platform\":\"linux\",\"HostConfig\":{\"LogConfig\":"
             "{\"Type\":\"json-file\",\"Config\":{}},\"NetworkMode\":\"none\"},\"Mounts\":[],\"Config\":{\"Hostname\":"
             "\"43cce15efcb4\",\"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":%s,"
             "\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":[],\"Cmd\":[\"sh\"],\"Image\":\"busybox\",\"Labels\":{}},"
             "\"NetworkSettings\":{\"Networks\":{}}}\n",
             id, id, strncmp(id, "tty", 3) == 0 ? "true" : "false");
    return put_text(fd, "200 OK", "application/json", text, 0);
}

static int list(int fd, const char *target)
{
    const char *limit = strstr(target, "limit=");
    long count = limit != NULL ? strtol(limit + 6, NULL, 10) : 10;
    const struct tape *tape = named(count == 2000 ? "list_cl" : count == 2001 ? "list_ch" : "list10");
    char length[64];

    snprintf(length, sizeof length, "Content-Length: %zu", tape->size);
    if (put_head(fd, tape->kind, tape->framing == LENGTH ? length : "Transfer-Encoding: chunked") != 0)
        return -1;
    return put_tape(fd, tape, 1);
}

/* Answer one request; 0: the connection goes on, -1: it is to be closed, 1: it belongs to another now. */
static int answer(int fd, const char *method, const char *target, const char *head)
{
    const char *path = skip_version(target), *rest;
    int head_only = strcmp(method, "HEAD") == 0;
    size_t i;
    long repeat;

    if (strncmp(path, "/_ping", 6) == 0)
        return put_text(fd, "200 OK", "text/plain; charset=utf-8", "OK", head_only);
    if (strncmp(path, "/containers/json", 16) == 0)
        return list(fd, path);
    if (strncmp(path, "/containers/", 12) == 0 && strstr(path, "/json") != NULL)
        return inspect(fd, path);
    if (strncmp(path, "/version", 8) == 0)
        return put_text(fd, "200 OK", "application/json",
                        "{\"Platform\":{\"Name\":\"\"},\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\","
                        "\"MinAPIVersion\":\"1.12\",\"Os\":\"linux\",\"Arch\":\"amd64\"}\n",
                        head_only);
    if (strncmp(path, "/info", 5) == 0)
        return put_text(fd, "200 OK", "application/json",
                        "{\"ID\":\"replay\",\"Containers\":2000,\"OSType\":\"linux\",\"Architecture\":\"x86_64\","
                        "\"IndexServerAddress\":\"https://index.docker.io/v1/\",\"NCPU\":2,\"Name\":\"replay\","
                        "\"ServerVersion\":\"20.10.24\"}\n",
                        head_only);
    if (strncmp(path, "/containers/", 12) == 0 && strstr(path, "/wait") != NULL)
        return put_text(fd, "200 OK", "application/json", "{\"StatusCode\":0}\n", head_only);
    if ((repeat = repeat_of(path, "many", &rest)) >= 0) {
        join_many(fd, repeat, *rest == '.' ? strtol(rest + 1, NULL, 10) : 1);
        return 1;
    }
    if ((repeat = repeat_of(path, "quiet", NULL)) >= 0)
        return put_head(fd, "-", "Transfer-Encoding: chunked") != 0 ? -1 : put_quiet(fd, repeat);
    for (i = 0; i < tape_count; i++) {
        const struct tape *tape = &tapes[i];
        if ((repeat = repeat_of(path, tape->name, NULL)) < 0)
            continue;
        if (tape->framing != RAW) {
            if (put_head(fd, tape->kind, "Transfer-Encoding: chunked") != 0)
                return -1;
            return put_tape(fd, tape, repeat);
        }
        rest = strcasestr(head, "\r\nUpgrade:") != NULL
                   ? "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
                     "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                   : "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
        if (put(fd, rest, strlen(rest)) == 0) {
            usleep(2000); /* docker-py drops frames that are received together with the head */
            put_tape(fd, tape, repeat);
        }
        return -1;
    }
    return put_text(fd, "404 Not Found", "application/json", "{\"message\":\"page not found\"}\n", head_only);
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg, outcome = 0;
    char *head = malloc(MAX_HEAD + 1), method[16], target[4096];
    size_t have = 0;

    while (outcome == 0) {
        char *end, *length;
        size_t used;

        head[have] = 0;
        if ((end = strstr(head, "\r\n\r\n")) == NULL) {
            ssize_t n = have < MAX_HEAD ? recv(fd, head + have, MAX_HEAD - have, 0) : 0;
            if (n <= 0)
                break;
            have += (size_t)n;
            continue;
        }
        end[2] = 0;
        used = (size_t)(end + 4 - head);
        if (sscanf(head, "%15s %4095s", method, target) != 2)
            break;
        outcome = answer(fd, method, target, head);
        if (outcome == 0 && strcasestr(head, "\r\nConnection: close") != NULL)
            outcome = -1;
        length = strcasestr(head, "\r\nContent-Length:");
        used += length != NULL ? (size_t)strtoul(length + 17, NULL, 10) : 0; /* bodies come in one piece here */
        have = used < have ? have - used : 0;
        memmove(head, head + used, have);
    }
    free(head);
    if (outcome != 1) {
        char rest[4096];
        shutdown(fd, SHUT_WR);
        while (recv(fd, rest, sizeof rest, 0) > 0) {
        }
        close(fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pollfd watched[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
    pthread_attr_t attributes;
    int fd;

    if (argc < 3 || argc > 4 || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: replay SOCKET FOLDER [BYTES]\n");
        return 2;
    }
    if (argc == 4)
        most = strtoul(argv[3], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    load_tapes(argv[2]);
    if (named("list10") == NULL || named("list_cl") == NULL || named("list_ch") == NULL) {
        fprintf(stderr, "replay: no tapes in %s\n", argv[2]);
        return 1;
    }
    strcpy(address.sun_path, argv[1]);
    unlink(argv[1]);
    if ((watched[1].fd = socket(AF_UNIX, SOCK_STREAM, 0)) < 0 ||
        bind(watched[1].fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(watched[1].fd, 4096) != 0)
        die(argv[1]);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    printf("ready\n");
    fflush(stdout);
    while (poll(watched, 2, -1) >= 0 || errno == EINTR) {
        pthread_t thread;
        char byte;

        if (watched[0].revents != 0 && read(0, &byte, 1) <= 0)
            break;
        if ((watched[1].revents & POLLIN) == 0 || (fd = accept(watched[1].fd, NULL, NULL)) < 0)
            continue;
        if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
    }
    unlink(argv[1]);
    return 0;
}
