/*
 * Keep-alive HTTP load: N connections, one request at a time on each, for a number of seconds.
 *
 *   httpload --port P --path /x --connections N --seconds S [--header "Name: value"]...
 *            [--method PUT] [--once 1]
 *
 * ### in a path is 000 to 999 in turn. With --once every connection asks a single time, and the
 * rate is that of all answers until the last one.
 *
 * Prints one line of JSON: requests per second, latency percentiles in ms, answers by class, bytes of
 * a body, connections that broke, own CPU.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 1000000L /* 10 us each, up to 10 s */
#define BUCKET_NS 10000L
#define CHUNK (1 << 17)

struct connection {
    int fd;
    int64_t asked;
    size_t held;    /* bytes of an unfinished head, kept in head */
    int64_t body;   /* bytes of the body still to come, -1 while the head is read */
    char head[4096];
};

static struct {
    int port, connections, once;
    double seconds;
    const char *path, *method;
    char headers[4096];
} options;
static char *slot; /* of the three digits in the request */
static unsigned turn;
static char request[8192], chunk[CHUNK];
static size_t request_size;
static uint32_t *histogram;
static uint64_t answers, by_class[6];
static int broken, poller;
static long body_size;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int ask(struct connection *c) {
    c->asked = now_ns();
    c->held = 0;
    c->body = -1;
    if (slot) {
        unsigned number = turn++ % 1000;
        slot[0] = (char)('0' + number / 100);
        slot[1] = (char)('0' + number / 10 % 10);
        slot[2] = (char)('0' + number % 10);
    }
    return send(c->fd, request, request_size, MSG_NOSIGNAL) == (ssize_t)request_size ? 0 : -1;
}

static int open_connection(struct connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) return -1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &want);
    return ask(c);
}

/* Length of the body that this head announces; bodies without a length are not supported. */
static int64_t announced(const char *head, int status) {
    const char *line = strcasestr(head, "\r\ncontent-length:");
    if (status == 304 || status == 204) return 0;
    return line ? atol(line + 17) : -1;
}

static int finish(struct connection *c, int64_t now) {
    int64_t bucket = (now - c->asked) / BUCKET_NS;
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    answers++;
    if (!options.once) return ask(c);
    /* The server would close it after a while, which is no broken answer. */
    close(c->fd);
    return 0;
}

static int take(struct connection *c, const char *data, size_t size, int64_t now) {
    if (c->body >= 0) {
        c->body -= (int64_t)size;
        return c->body == 0 ? finish(c, now) : c->body < 0 ? -1 : 0;
    }
    if (c->held + size >= sizeof c->head) size = sizeof c->head - c->held - 1;
    size_t before = c->held;
    memcpy(c->head + before, data, size);
    c->held += size;
    c->head[c->held] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return c->held + 1 < sizeof c->head ? 0 : -1;
    end[2] = 0;
    int status = atoi(c->head + 9);
    if (status < 100 || status > 599) return -1;
    by_class[status == 304 ? 0 : status / 100]++;
    c->body = announced(c->head, status);
    if (c->body < 0) return -1;
    if (c->body) body_size = (long)c->body;
    return 1 + (int)((size_t)(end + 4 - c->head) - before);
}

static int readable(struct connection *c, int64_t now) {
    ssize_t got = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0) return -1;
    int was_head = c->body < 0;
    int used = take(c, chunk, (size_t)got, now);
    if (!was_head || used <= 0) return used;
    size_t rest = (size_t)got - (size_t)(used - 1);
    if (c->body == 0) return finish(c, now);
    return rest ? take(c, chunk + got - rest, rest, now) : 0;
}

static double quantile(double share) {
    uint64_t wanted = (uint64_t)(share * (double)answers), seen = 0;
    if (!answers) return -1;
    if (wanted >= answers) wanted = answers - 1;
    for (long i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > wanted) return ((double)i + 0.5) * BUCKET_NS / 1e6;
    return -1;
}

static void read_options(int argc, char **argv) {
    options.path = "/";
    options.method = "GET";
    options.connections = 16;
    options.seconds = 3;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        size_t used = strlen(options.headers);
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--method")) options.method = value;
        else if (!strcmp(name, "--once")) options.once = atoi(value);
        else if (!strcmp(name, "--connections")) options.connections = atoi(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--header"))
            snprintf(options.headers + used, sizeof options.headers - used, "%s\r\n", value);
        else { fprintf(stderr, "httpload: unknown option %s\n", name); exit(2); }
    }
    request_size = (size_t)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                                    options.method, options.path, options.port, options.headers);
    slot = strstr(request, "###");
}

static void print_result(double passed, double cpu) {
    printf("{\"requests_per_s\":%.1f,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f,",
           (double)answers / passed, quantile(0.5), quantile(0.95), quantile(0.99), quantile(1));
    printf("\"ok\":%lu,\"not_modified\":%lu,\"client_errors\":%lu,\"server_errors\":%lu,", by_class[2],
           by_class[0], by_class[4], by_class[5]);
    printf("\"broken\":%d,\"body_bytes\":%ld,\"client_cpu\":%.3f}\n", broken, body_size, cpu / passed);
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    read_options(argc, argv);
    poller = epoll_create1(0);
    histogram = calloc(BUCKETS, sizeof *histogram);
    struct connection *all = calloc((size_t)options.connections, sizeof *all);
    /* Each asks as soon as it is connected, so with --once their connecting is part of the time. */
    int64_t connecting = now_ns();
    for (int i = 0; i < options.connections; i++)
        if (open_connection(&all[i]) < 0) broken++;
    int64_t began = options.once ? connecting : now_ns(), end = began + (int64_t)(options.seconds * 1e9);
    double cpu = cpu_seconds();
    while (now_ns() < end && (options.once ? (int)answers : 0) + broken < options.connections) {
        int count = epoll_wait(poller, events, 256, 20);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (readable(c, now_ns()) < 0) {
                broken++;
                close(c->fd);
            }
        }
    }
    print_result((double)(now_ns() - began) / 1e9, cpu_seconds() - cpu);
    return 0;
}
