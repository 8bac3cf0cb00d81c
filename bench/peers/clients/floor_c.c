/* The floor in C: read 256 KiB at a time and look at nothing.
 *
 * The protocol is README.md's. The answer's end is found by its being the connection's: the request says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SIZE (256 * 1024)

static char buffer[SIZE + 1];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int reach(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die(path);
    return fd;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void target(char *out, size_t size, const char *job, long repeat)
{
    if (strcmp(job, "stats") == 0)
        snprintf(out, size, "GET /v1.41/containers/stats.%ld/stats?stream=1", repeat);
    else if (strcmp(job, "events") == 0)
        snprintf(out, size, "GET /v1.41/events?filters=%%7B%%22container%%22%%3A%%5B%%22events.%ld%%22%%5D%%7D",
                 repeat);
    else if (strcmp(job, "pull") == 0)
        snprintf(out, size, "POST /v1.41/images/create?fromImage=pull.%ld&tag=latest", repeat);
    else if (strcmp(job, "attach") == 0)
        snprintf(out, size, "POST /v1.41/containers/attach.%ld/attach?stream=1&stdout=1&stderr=1", repeat);
    else if (strncmp(job, "list_", 5) == 0)
        snprintf(out, size, "GET /v1.41/containers/json?limit=%d", strcmp(job, "list_cl") == 0 ? 2000 : 2001);
    else
        snprintf(out, size, "GET /v1.41/containers/%s.%ld/logs?follow=1&stdout=1&stderr=1", job, repeat);
}

/* Microseconds to let bytes gather before each further receive. */
static useconds_t rest;

/* Bytes behind the head, until the end of the connection. */
static long long read_all(int fd)
{
    long long bytes = 0;
    size_t have = 0;
    char *end = NULL;
    ssize_t n;

    while (end == NULL && (n = recv(fd, buffer + have, SIZE - have, 0)) > 0) {
        have += (size_t)n;
        buffer[have] = 0;
        end = memmem(buffer, have, "\r\n\r\n", 4);
    }
    if (end == NULL)
        die("no head");
    bytes = (long long)(have - (size_t)(end + 4 - buffer));
    while ((n = recv(fd, buffer, SIZE, 0)) > 0) {
        bytes += n;
        if (rest)
            usleep(rest);
    }
    if (n < 0)
        die("recv");
    return bytes;
}

static long long once(const char *path, const char *job, long repeat)
{
    char line[512], request[1024];
    int fd = reach(path);
    long long bytes;

    target(line, sizeof line, job, repeat);
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\nConnection: %s\r\n\r\n",
             line, strcmp(job, "attach") == 0 ? "Upgrade\r\nUpgrade: tcp" : "close");
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        die("send");
    bytes = read_all(fd);
    close(fd);
    return bytes;
}

/* KiB, by its name in /proc/self/status. (ru_maxrss would begin with what the process had that started this one.) */
static long memory(const char *name)
{
    char line[256];
    long size = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            size = strtol(line + strlen(name), NULL, 10);
    if (file != NULL)
        fclose(file);
    return size;
}

int main(int argc, char **argv)
{
    struct rusage before, after;
    long long bytes = 0;
    double start;
    long repeat, rss, i;
    int is_list;

    if (argc == 2 && strcmp(argv[1], "--jobs") == 0) {
        puts("logs\nlogs_ts\nlogs_co\nlogs_f\nattach\ntty\ntty_s\nstats\nevents\npull\nlist_cl\nlist_ch");
        return 0;
    }
    if (argc == 6 && strcmp(argv[1], "--rest") == 0) {
        rest = (useconds_t)strtoul(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    if (argc != 4) {
        fprintf(stderr, "usage: floor_c [--rest MICROSECONDS] SOCKET JOB REPEAT\n");
        return 2;
    }
    repeat = strtol(argv[3], NULL, 10);
    is_list = strncmp(argv[2], "list_", 5) == 0;
    rss = memory("VmRSS:");
    getrusage(RUSAGE_SELF, &before);
    double startup = seconds(before.ru_utime) + seconds(before.ru_stime);
    once(argv[1], argv[2], 1);
    getrusage(RUSAGE_SELF, &before);
    start = now();
    for (i = 0; i < (is_list ? repeat : 1); i++)
        bytes += once(argv[1], argv[2], repeat);
    double wall = now() - start;
    getrusage(RUSAGE_SELF, &after);
    printf("{\"items\":null,\"bytes\":%lld,\"layer\":\"wire\",\"user\":%.6f,\"system\":%.6f,\"wall\":%.6f,"
           "\"start_rss\":%ld,\"peak_rss\":%ld,\"startup\":%.6f}\n",
           bytes, seconds(after.ru_utime) - seconds(before.ru_utime),
           seconds(after.ru_stime) - seconds(before.ru_stime), wall, rss, memory("VmHWM:"), startup);
    return 0;
}
