/*
 * Many websocket clients in one thread: the yardstick of the push benchmarks.
 *
 * Every client follows the same keys whichever server it talks to (they are drawn from its number and
 * the seed), so that all contenders do the same work. Stamps are found by byte search, without a JSON
 * parser, to keep the yardstick cheaper than what it measures.
 *
 * A stamp is  tk_ns":"<19 digits ns>.<2 digits key>.<9 digits seq>"  for a tick, ed_ns for an edit.
 * With --real 1 it reads what the product itself publishes: "ts":<ms>, the exchange's own time, and
 * the "spread_version":<n> of the first key, which every client follows.
 *
 * Commands on stdin, one a line; every answer is one line of JSON on stdout:
 *   window START END     forget what was counted; count what is published in [START, END), ns since 1970
 *   pause                the first --slow clients stop reading
 *   expect K:SEQ,...     how many clients lack the newest value of a key
 *   report               everything counted so far
 * End of input ends the process.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_KEYS 64
#define BUCKET_NS 10000L /* 10 us */
#define BUCKETS 2000000L /* up to 20 s; anything slower lands in the last one */
#define CHUNK (1 << 18)
#define STAMP_LENGTH 32

enum protocol { LIVE, PLAIN, SOCKETIO };
enum state { IDLE, CONNECTING, UPGRADING, JOINING, OPEN, DEAD };

struct client {
    int fd;
    enum state state;
    int sent_subscribe;
    int paused;
    size_t held, room; /* bytes of an unfinished frame */
    unsigned char *partial;
    unsigned char keys[MAX_KEYS];
    uint32_t last[MAX_KEYS]; /* by position in keys */
    long version;
};

struct sight { long version; int64_t at; };

static struct {
    const char *path;
    enum protocol protocol;
    int port, clients, per_client, slow, in_flight, real;
    uint64_t seed;
    char *names[MAX_KEYS];
    int key_count;
    double give_up;
} options;

static struct client *clients;
static int poller, started, open_count, failed, died, pending;
static uint32_t *ticks, *edits;
static uint64_t tick_count, edit_count, frames, values, bytes_in;
static int64_t window_from = INT64_MAX, window_to = INT64_MAX, connect_began, connect_ended;
static double cpu_at_window, cpu_in_window;
static struct sight *sights;
static size_t sight_count, sight_room;
static unsigned char chunk[CHUNK];

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static uint64_t draw(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15UL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
    return z ^ (z >> 31);
}

static void choose_keys(struct client *c, int number) {
    unsigned char all[MAX_KEYS];
    uint64_t state = options.seed * 1000003UL + (uint64_t)number;
    for (int i = 0; i < options.key_count; i++) all[i] = (unsigned char)i;
    for (int i = 0; i < options.per_client; i++) {
        /* In real mode key 0 is the edited pair: everybody follows it. */
        int j = options.real && i == 0 ? 0 : i + (int)(draw(&state) % (uint64_t)(options.key_count - i));
        unsigned char swap = all[i];
        all[i] = all[j];
        all[j] = swap;
        c->keys[i] = all[i];
    }
}

static void count_latency(uint32_t *histogram, int64_t ns) {
    int64_t bucket = ns < 0 ? 0 : ns / BUCKET_NS;
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static void drop(struct client *c) {
    if (c->state == OPEN) { died++; open_count--; }
    else { failed++; pending--; }
    close(c->fd);
    free(c->partial);
    c->partial = NULL;
    c->held = c->room = 0;
    c->state = DEAD;
}

static int push_frame(struct client *c, int opcode, const char *body, size_t length) {
    unsigned char out[8192];
    size_t at = 0;
    if (length > sizeof out - 8) return -1;
    out[at++] = (unsigned char)(0x80 | opcode);
    if (length < 126) out[at++] = (unsigned char)(0x80 | length);
    else {
        out[at++] = 0x80 | 126;
        out[at++] = (unsigned char)(length >> 8);
        out[at++] = (unsigned char)length;
    }
    memset(out + at, 0, 4); /* a mask of zeros is a legal mask and leaves the body as it is */
    at += 4;
    memcpy(out + at, body, length);
    at += length;
    return send(c->fd, out, at, MSG_NOSIGNAL) == (ssize_t)at ? 0 : -1;
}

static int subscribe(struct client *c) {
    char body[4096];
    int at = sprintf(body, options.protocol == SOCKETIO
                               ? "42[\"subscribe\",["
                               : "{\"op\":\"subscribe\",\"topic\":\"rates:live\",\"keys\":[");
    for (int i = 0; i < options.per_client; i++)
        at += sprintf(body + at, "%s\"%s\"", i ? "," : "", options.names[c->keys[i]]);
    at += sprintf(body + at, options.protocol == SOCKETIO ? "]]" : "]}");
    c->sent_subscribe = 1;
    return push_frame(c, 1, body, (size_t)at);
}

static int64_t number(const unsigned char **at) {
    int64_t n = 0;
    while (**at >= '0' && **at <= '9') n = n * 10 + (*(*at)++ - '0');
    return n;
}

static void remember(struct client *c, int key, uint32_t seq) {
    for (int i = 0; i < options.per_client; i++)
        if (c->keys[i] == key) {
            if (seq > c->last[i]) c->last[i] = seq;
            return;
        }
}

static void read_stamps(struct client *c, const unsigned char *body, size_t length, int64_t now) {
    const unsigned char *end = body + length, *at = body;
    while ((at = memmem(at, (size_t)(end - at), "_ns\":\"", 6)) != NULL) {
        int is_edit = at - body >= 2 && at[-2] == 'e';
        at += 6;
        if (end - at < STAMP_LENGTH) return;
        int64_t stamp = number(&at);
        at++;
        int key = (int)number(&at);
        at++;
        remember(c, key, (uint32_t)number(&at));
        if (stamp < window_from || stamp >= window_to) continue;
        values++;
        if (is_edit) { edit_count++; count_latency(edits, now - stamp); }
        else { tick_count++; count_latency(ticks, now - stamp); }
    }
}

static void note_version(struct client *c, long version, int64_t now) {
    if (version <= c->version) return;
    c->version = version;
    if (now < window_from || now >= window_to + 5000000000L) return;
    if (sight_count == sight_room) {
        sight_room = sight_room ? sight_room * 2 : 4096;
        sights = realloc(sights, sight_room * sizeof *sights);
    }
    sights[sight_count++] = (struct sight){version, now};
}

static void read_real(struct client *c, const unsigned char *body, size_t length, int64_t now) {
    const unsigned char *end = body + length, *at = body;
    while ((at = memmem(at, (size_t)(end - at), "\"ts\":", 5)) != NULL) {
        at += 5;
        int64_t stamp = number(&at) * 1000000L;
        if (stamp < window_from || stamp >= window_to) continue;
        values++;
        tick_count++;
        count_latency(ticks, now - stamp);
    }
    char edited[64];
    int size = snprintf(edited, sizeof edited, "\"%s\":{\"seq\"", options.names[0]);
    at = memmem(body, length, edited, (size_t)size);
    if (at && (at = memmem(at, (size_t)(end - at), "\"spread_version\":", 17)) != NULL) {
        at += 17;
        note_version(c, (long)number(&at), now);
    }
}

static void opened(struct client *c, int64_t now) {
    c->state = OPEN;
    open_count++;
    pending--;
    connect_ended = now;
}

static int refused(const unsigned char *body, size_t length) {
    static int told;
    if (length < 8 || memcmp(body, "{\"error\"", 8) != 0) return 0;
    if (!told++) fprintf(stderr, "loadclient: the server says %.*s\n", (int)(length < 400 ? length : 400), body);
    return 1;
}

static int take_text(struct client *c, const unsigned char *body, size_t length, int64_t now) {
    if (refused(body, length)) return -1;
    if (options.protocol == SOCKETIO && c->state == JOINING && length) {
        if (body[0] == '0') return push_frame(c, 1, "40", 2);
        if (length >= 2 && body[0] == '4' && body[1] == '0') return subscribe(c);
    }
    if (options.protocol == SOCKETIO && length == 1 && body[0] == '2') return push_frame(c, 1, "3", 1);
    if (c->state == JOINING && c->sent_subscribe) opened(c, now);
    if (now >= window_from && now < window_to) { frames++; bytes_in += length; }
    if (options.real) read_real(c, body, length, now);
    else read_stamps(c, body, length, now);
    return 0;
}

/* Handle whole frames in data; return how many bytes were used, or -1 when the socket is done for. */
static ssize_t take_frames(struct client *c, const unsigned char *data, size_t size, int64_t now) {
    size_t used = 0;
    while (size - used >= 2) {
        const unsigned char *at = data + used;
        size_t length = at[1] & 127, head = 2;
        if (length == 126) {
            if (size - used < 4) break;
            length = (size_t)at[2] << 8 | at[3];
            head = 4;
        } else if (length == 127) {
            if (size - used < 10) break;
            length = 0;
            for (int i = 0; i < 8; i++) length = length << 8 | at[2 + i];
            head = 10;
        }
        if (size - used < head + length) break;
        int opcode = at[0] & 15;
        if (opcode == 8) return -1;
        if (opcode == 9 && push_frame(c, 10, (const char *)at + head, length) < 0) return -1;
        if (opcode < 3 && take_text(c, at + head, length, now) < 0) return -1;
        used += head + length;
    }
    return (ssize_t)used;
}

static ssize_t take_upgrade(struct client *c, const unsigned char *data, size_t size) {
    const unsigned char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (size < 12 || memcmp(data + 9, "101", 3) != 0) return -1;
    c->state = JOINING;
    if (options.protocol != SOCKETIO && subscribe(c) < 0) return -1;
    return end + 4 - data;
}

static int hold(struct client *c, const unsigned char *rest, size_t size) {
    if (size > c->room) {
        unsigned char *more = malloc(size + 1024);
        if (!more) return -1;
        memcpy(more, rest, size);
        free(c->partial);
        c->partial = more;
        c->room = size + 1024;
    } else if (size) memmove(c->partial, rest, size);
    c->held = size;
    return 0;
}

static void readable(struct client *c, int64_t now) {
    if (c->held) memcpy(chunk, c->partial, c->held);
    ssize_t got = recv(c->fd, chunk + c->held, sizeof chunk - c->held, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) { drop(c); return; }
    size_t size = c->held + (size_t)got, used = 0;
    if (c->state == UPGRADING) {
        ssize_t head = take_upgrade(c, chunk, size);
        if (head < 0) { drop(c); return; }
        used = (size_t)head;
    }
    if (c->state == JOINING || c->state == OPEN) {
        ssize_t more = take_frames(c, chunk + used, size - used, now);
        if (more < 0) { drop(c); return; }
        used += (size_t)more;
    }
    if (hold(c, chunk + used, size - used) < 0) drop(c);
}

static void begin(struct client *c, int number) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct epoll_event want = {.events = EPOLLOUT, .data.ptr = c};
    int on = 1, small = 4096;
    pending++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    c->state = CONNECTING;
    choose_keys(c, number);
    if (c->fd < 0) { pending--; failed++; c->state = DEAD; return; }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (number < options.slow) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) { drop(c); return; }
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &want);
}

static void writable(struct client *c) {
    char request[1024];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) { drop(c); return; }
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nOrigin: http://127.0.0.1:%d\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                          options.path, options.port, options.port);
    if (send(c->fd, request, (size_t)length, MSG_NOSIGNAL) != length) { drop(c); return; }
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &want);
    c->state = UPGRADING;
}

static double quantile(const uint32_t *histogram, uint64_t count, double share) {
    uint64_t wanted = (uint64_t)(share * (double)count), seen = 0;
    if (!count) return -1;
    if (wanted >= count) wanted = count - 1;
    for (long i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > wanted) return ((double)i + 0.5) * BUCKET_NS / 1e6;
    return (double)BUCKETS * BUCKET_NS / 1e6;
}

static void print_quantiles(const char *name, const uint32_t *histogram, uint64_t count) {
    printf("\"%s\":{\"count\":%lu,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f},", name, count,
           quantile(histogram, count, 0.5), quantile(histogram, count, 0.95),
           quantile(histogram, count, 0.99), quantile(histogram, count, 1));
}

static void print_subscribers(void) {
    int by_key[MAX_KEYS] = {0};
    for (int i = 0; i < options.clients; i++)
        if (clients[i].state == OPEN && !clients[i].paused)
            for (int k = 0; k < options.per_client; k++) by_key[clients[i].keys[k]]++;
    printf("\"subscribers\":[");
    for (int k = 0; k < options.key_count; k++) printf("%s%d", k ? "," : "", by_key[k]);
    printf("],");
}

static void print_sights(void) {
    printf("\"sights\":[");
    for (size_t i = 0; i < sight_count; i++)
        printf("%s[%ld,%ld]", i ? "," : "", sights[i].version, sights[i].at);
    printf("]}\n");
}

static void print_state(const char *event) {
    printf("{\"event\":\"%s\",\"connected\":%d,\"failed\":%d,\"died\":%d,\"pending\":%d,\"connect_s\":%.3f,",
           event, open_count, failed, died, pending,
           connect_ended ? (double)(connect_ended - connect_began) / 1e9 : -1.0);
    printf("\"frames\":%lu,\"values\":%lu,\"bytes\":%lu,\"cpu_s\":%.3f,", frames, values, bytes_in,
           cpu_in_window);
    print_quantiles("ticks", ticks, tick_count);
    print_quantiles("edits", edits, edit_count);
    print_subscribers();
    print_sights();
    fflush(stdout);
}

static void pause_slow(void) {
    int paused = 0;
    for (int i = 0; i < options.slow && i < options.clients; i++)
        if (clients[i].state == OPEN) {
            epoll_ctl(poller, EPOLL_CTL_DEL, clients[i].fd, NULL);
            clients[i].paused = 1;
            paused++;
        }
    printf("{\"event\":\"paused\",\"paused\":%d}\n", paused);
    fflush(stdout);
}

static void check_last(char *list) {
    uint32_t newest[MAX_KEYS] = {0};
    int behind = 0, missing = 0;
    for (char *item = strtok(list, ","); item; item = strtok(NULL, ",")) {
        int key;
        unsigned seq;
        if (sscanf(item, "%d:%u", &key, &seq) == 2 && key >= 0 && key < MAX_KEYS) newest[key] = seq;
    }
    for (int i = 0; i < options.clients; i++) {
        int lacks = 0;
        if (clients[i].state != OPEN || clients[i].paused) continue;
        for (int k = 0; k < options.per_client; k++) lacks += clients[i].last[k] < newest[clients[i].keys[k]];
        behind += lacks > 0;
        missing += lacks;
    }
    printf("{\"event\":\"checked\",\"behind\":%d,\"missing\":%d}\n", behind, missing);
    fflush(stdout);
}

static void forget(void) {
    memset(ticks, 0, BUCKETS * sizeof *ticks);
    memset(edits, 0, BUCKETS * sizeof *edits);
    tick_count = edit_count = frames = values = bytes_in = 0;
    sight_count = 0;
}

static void obey(char *line) {
    long from, to;
    if (sscanf(line, "window %ld %ld", &from, &to) == 2) {
        forget();
        window_from = from;
        window_to = to;
        printf("{\"event\":\"window\"}\n");
        fflush(stdout);
    } else if (strncmp(line, "pause", 5) == 0) pause_slow();
    else if (strncmp(line, "expect ", 7) == 0) check_last(line + 7);
    else if (strncmp(line, "report", 6) == 0) print_state("report");
}

/* Returns -1 at the end of input. */
static int commands(void) {
    static char line[8192];
    static size_t held;
    ssize_t got = read(0, line + held, sizeof line - held - 1);
    char *end;
    if (got == 0) return -1;
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    held += (size_t)got;
    line[held] = 0;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = 0;
        obey(line);
        held -= (size_t)(end + 1 - line);
        memmove(line, end + 1, held + 1);
    }
    return held >= sizeof line - 1 ? -1 : 0;
}

static void split_names(char *list) {
    for (char *name = strtok(list, ","); name && options.key_count < MAX_KEYS; name = strtok(NULL, ","))
        options.names[options.key_count++] = name;
}

static void read_options(int argc, char **argv) {
    options.path = "/ws/live";
    options.per_client = 10;
    options.in_flight = 100;
    options.give_up = 60;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        char *value = argv[i + 1];
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--clients")) options.clients = atoi(value);
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--per-client")) options.per_client = atoi(value);
        else if (!strcmp(name, "--seed")) options.seed = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--slow")) options.slow = atoi(value);
        else if (!strcmp(name, "--in-flight")) options.in_flight = atoi(value);
        else if (!strcmp(name, "--give-up")) options.give_up = atof(value);
        else if (!strcmp(name, "--real")) options.real = atoi(value);
        else if (!strcmp(name, "--keys")) split_names(value);
        else if (!strcmp(name, "--protocol"))
            options.protocol = !strcmp(value, "socketio") ? SOCKETIO : !strcmp(value, "plain") ? PLAIN : LIVE;
        else { fprintf(stderr, "loadclient: unknown option %s\n", name); exit(2); }
    }
    if (options.per_client > options.key_count) options.per_client = options.key_count;
    if (!options.port || options.clients < 1 || !options.key_count) {
        fprintf(stderr, "loadclient: --port, --clients and --keys are required\n");
        exit(2);
    }
}

static void follow_cpu(int64_t now) {
    static int inside;
    if (!inside && now >= window_from && now < window_to) { inside = 1; cpu_at_window = cpu_seconds(); }
    if (inside && now >= window_to) { inside = 0; cpu_in_window = cpu_seconds() - cpu_at_window; }
}

int main(int argc, char **argv) {
    struct epoll_event events[512], input = {.events = EPOLLIN, .data.ptr = NULL};
    int announced = 0;
    read_options(argc, argv);
    clients = calloc((size_t)options.clients, sizeof *clients);
    ticks = calloc(BUCKETS, sizeof *ticks);
    edits = calloc(BUCKETS, sizeof *edits);
    poller = epoll_create1(0);
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input);
    connect_began = now_ns();
    for (;;) {
        while (started < options.clients && pending < options.in_flight) {
            begin(&clients[started], started);
            started++;
        }
        int count = epoll_wait(poller, events, 512, 20);
        for (int i = 0; i < count; i++) {
            struct client *c = events[i].data.ptr;
            if (!c) { if (commands() < 0) return 0; }
            else if (c->state == CONNECTING) writable(c);
            else if (c->state != DEAD) readable(c, now_ns());
        }
        int64_t now = now_ns();
        follow_cpu(now);
        int settled = started == options.clients && pending == 0;
        if (!announced && (settled || (double)(now - connect_began) / 1e9 > options.give_up)) {
            announced = 1;
            print_state("ready");
        }
    }
}
