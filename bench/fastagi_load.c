/* Asks a FastAGI server as Asterisk does, over and over on many connections, and prints what it did.
 *
 *     fastagi_load PORT CONNECTIONS SECONDS NUMBERS DIALLED
 *
 * NUMBERS is a file of callers' numbers, one a line. Each connection opens, sends the 22 variables of a call and two
 * arguments, answers each command with "200 result=1", waits until the server closes, and opens anew. In C, so that
 * the server is the slower end. Prints: sessions, sessions without a command, seconds, p50 and p99 in milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_SESSIONS 4000000

struct session {
    int fd, asked, commands;
    double began;
};

static char (*numbers)[24];
static size_t number_count, next_number;
static const char *dialled;
static struct sockaddr_in server;
static int poller;
static float *latencies;
static size_t done, empty;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void open_session(struct session *s)
{
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        fail("socket");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->asked = s->commands = 0;
    s->began = now();
    if (connect(s->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail("connect");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event) < 0)
        fail("epoll_ctl");
}

static void end_session(struct session *s)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* no TIME_WAIT: ports would run out */
    if (!s->commands)
        empty++;
    else if (done < MOST_SESSIONS)
        latencies[done++] = (float)((now() - s->began) * 1000);
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(s->fd);
}

static void ask(struct session *s)
{
    static unsigned long count;
    char block[2048];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    const char *caller = numbers[next_number++ % number_count];
    unsigned long id = ++count;
    int length = snprintf(block, sizeof block,
        "agi_network: yes\nagi_network_script: route\nagi_request: agi://127.0.0.1:4573/route\n"
        "agi_channel: PJSIP/trunk-%08lx\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1732190000.%lu\n"
        "agi_version: 22.10.1\nagi_callerid: %s\nagi_calleridname: unknown\nagi_callingpres: 0\n"
        "agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: %s\nagi_rdnis: unknown\n"
        "agi_context: leadline-ask\nagi_extension: s\nagi_priority: 3\nagi_enhanced: 0.0\nagi_accountcode: \n"
        "agi_threadid: 140213\nagi_arg_1: %s\nagi_arg_2: 1732190000.%lu\n\n",
        id, id, caller, dialled, dialled, id);
    if (write(s->fd, block, length) != length)
        fail("write");
    s->asked = 1;
    epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &event);
}

static int ordered(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void read_numbers(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        fail(path);
    numbers = malloc(sizeof *numbers * 1000000);
    while (number_count < 1000000 && fgets(numbers[number_count], sizeof *numbers, file)) {
        numbers[number_count][strcspn(numbers[number_count], "\n")] = 0;
        number_count++;
    }
    fclose(file);
    if (!number_count)
        exit(2);
}

/* Give 1 when the session is over. */
static int take(struct session *s)
{
    static const char taken[] = "200 result=1\n";
    char buffer[4096];
    ssize_t got = read(s->fd, buffer, sizeof buffer);
    if (got <= 0)
        return !(got < 0 && errno == EAGAIN);
    for (ssize_t i = 0; i < got; i++)
        if (buffer[i] == '\n') {
            s->commands++;
            if (write(s->fd, taken, sizeof taken - 1) < 0)
                return 1;
        }
    return 0;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    if (argc != 6)
        return 2;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connections = atoi(argv[2]);
    double seconds = atof(argv[3]);
    read_numbers(argv[4]);
    dialled = argv[5];
    latencies = malloc(sizeof *latencies * MOST_SESSIONS);
    poller = epoll_create1(0);
    struct session *sessions = calloc(connections, sizeof *sessions);
    double began = now(), end = began + seconds;
    for (int i = 0; i < connections; i++)
        open_session(&sessions[i]);
    /* At the end each session is finished: a server may take an early close badly. */
    for (int open_now = connections; open_now && now() < end + 5;) {
        int ready = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct session *s = events[i].data.ptr;
            if (!s->asked && (events[i].events & EPOLLOUT))
                ask(s);
            else if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && take(s)) {
                end_session(s);
                if (now() < end)
                    open_session(s);
                else
                    open_now--;
            }
        }
    }
    double took = now() - began;
    qsort(latencies, done, sizeof *latencies, ordered);
    printf("%zu %zu %.3f %.3f %.3f\n", done, empty, took, done ? latencies[done / 2] : 0,
        done ? latencies[(size_t)(done * 0.99)] : 0);
    return 0;
}
