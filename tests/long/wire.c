/* wire.c - a wire between two network namespaces: `wire NETNS NETNS MBIT MICROSECONDS` makes an interface wire0 in each,
 * says "ready", and carries packets between them until it is ended, at that rate and that late.
 * Invariant: packets of a direction stay in order; a queue that is full drops, as a switch does. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET_MAX = 9100, QUEUE = 4096 };

typedef struct {
    int64_t due_ns;
    ssize_t n;
    uint8_t bytes[PACKET_MAX];
} packet;

typedef struct {
    int from, to;
    packet *ring;
    uint64_t first, end;
    int64_t free_ns; /* the wire has sent all that came */
} direction;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_end(const char *netns) {
    struct ifreq r = {.ifr_name = "wire0", .ifr_flags = IFF_TUN | IFF_NO_PI};
    int ns = open(netns, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0) return -1;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) != 0) return -1;
    close(ns);
    return fd;
}

static void take(direction *d, int64_t now, double ns_per_byte, int64_t delay_ns) {
    packet drop;
    for (;;) {
        packet *p = d->end - d->first < QUEUE ? &d->ring[d->end % QUEUE] : &drop;
        p->n = read(d->from, p->bytes, PACKET_MAX);
        if (p->n <= 0) return;
        if (p == &drop) continue;
        if (d->free_ns < now) d->free_ns = now;
        d->free_ns += (int64_t)((double)p->n * ns_per_byte);
        p->due_ns = d->free_ns + delay_ns;
        d->end++;
    }
}

/* Sends what is due; when the next packet is. */
static int64_t give(direction *d, int64_t now) {
    while (d->first < d->end && d->ring[d->first % QUEUE].due_ns <= now) {
        packet *p = &d->ring[d->first++ % QUEUE];
        if (write(d->to, p->bytes, (size_t)p->n) < 0) continue; /* lost */
    }
    return d->first < d->end ? d->ring[d->first % QUEUE].due_ns : INT64_MAX;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    double ns_per_byte = 8000.0 / atof(argv[3]);
    int64_t delay_ns = atoll(argv[4]) * 1000;
    int a = open_end(argv[1]), b = open_end(argv[2]);
    direction d[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    for (int i = 0; i < 2; i++)
        d[i].ring = calloc(QUEUE, sizeof(packet));
    if (a < 0 || b < 0 || !d[0].ring || !d[1].ring) {
        perror("wire");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t next = INT64_MAX, now = now_ns();
        for (int i = 0; i < 2; i++) {
            take(&d[i], now, ns_per_byte, delay_ns);
            int64_t due = give(&d[i], now);
            if (due < next) next = due;
        }
        int64_t wait = next == INT64_MAX ? 1000000000 : next - now_ns();
        struct timespec t = {0, wait < 0 ? 0 : wait > 999999999 ? 999999999 : wait};
        struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        ppoll(fds, 2, &t, NULL);
    }
}
