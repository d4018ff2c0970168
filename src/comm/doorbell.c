/* doorbell.c - waking the sleeping ranks of one host: a datagram socket for each rank, and one shared byte each that says
 * whether a ring is needed.
 * Invariant: a doorbell only shortens a sleep. A lost, late or forged ring costs time, never an answer. The byte of a
 * rank is set before it looks for messages a last time and sleeps, and read behind a fence after a message was sent, so
 * one of the two sees the other. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "comm/comm_state.h"

static socklen_t bell_address(struct sockaddr_un *a, uint64_t token) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    /* abstract: the first byte is 0, nothing is left in the file system */
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "mpart-%016llx",
                     (unsigned long long)token);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

bool mp_doorbell_open(mp_comm *c, uint64_t token) {
    struct sockaddr_un a;
    c->bell = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->bell < 0) return false;
    socklen_t len = bell_address(&a, token);
    if (bind(c->bell, (const struct sockaddr *)&a, len) == 0) return true;
    close(c->bell);
    c->bell = -1;
    return false;
}

/* fd, if not negative, travels with the ring. False: it was not taken. */
static bool ring(const mp_comm *c, int dest, int fd) {
    struct sockaddr_un a;
    struct iovec io = {(void *)(uintptr_t)&c->secret, sizeof c->secret};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr m = {.msg_name = &a, .msg_iov = &io, .msg_iovlen = 1};
    m.msg_namelen = bell_address(&a, c->token[dest]);
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    return sendmsg(c->bell, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void mp_doorbell_ring(mp_comm *c, int dest) {
    if (c->bell < 0 || !c->token || c->token[dest] == 0) return;
    if (c->asleep) {
        atomic_thread_fence(memory_order_seq_cst);
        if (!atomic_load_explicit(&c->asleep[dest], memory_order_relaxed)) return;
        /* one ring is enough; the sleeper sets it again */
        atomic_store_explicit(&c->asleep[dest], 0, memory_order_relaxed);
    }
    ring(c, dest, -1);
}

/* Takes fd. */
static void map_flags(mp_comm *c, int fd) {
    void *p = mmap(NULL, (size_t)c->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        close(fd);
        return;
    }
    c->asleep = p;
    c->shared_fd = fd;
}

void mp_doorbell_share(mp_comm *c) {
    for (int r = 0; r < c->rank; r++)
        if (c->token[r]) return;
    int fd = memfd_create("mpart-asleep", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return;
    if ((ftruncate(fd, (off_t)mp_area_file_bytes(c)) != 0 && ftruncate(fd, c->size) != 0) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
        close(fd);
        return;
    }
    map_flags(c, fd);
    if (!c->asleep) return;
    for (int r = 0; r < c->size; r++)
        atomic_store(&c->asleep[r], 1);
    for (int r = 0; r < c->size; r++)
        for (int i = 0; i < 100 && c->token[r] && !ring(c, r, fd); i++)
            sched_yield();
    atomic_store(&c->asleep[c->rank], 0);
}

bool mp_doorbell_reaches(uint64_t token) {
    struct sockaddr_un a;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    socklen_t len = bell_address(&a, token);
    bool ok = connect(fd, (const struct sockaddr *)&a, len) == 0;
    close(fd);
    return ok;
}

void mp_doorbell_release(mp_comm *c) {
    if (c->asleep) {
        atomic_store(&c->asleep[c->rank], 0);
        munmap((void *)(uintptr_t)c->asleep, (size_t)c->size);
    }
    if (c->bell >= 0) close(c->bell);
    free(c->token);
}

void mp_doorbell_sleeps(mp_comm *c) {
    if (!c->asleep) return;
    atomic_store_explicit(&c->asleep[c->rank], 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

/* Takes the descriptor that came with a ring; only the first that really is ours is used. */
static void take_flags(mp_comm *c, struct msghdr *m, bool trusted) {
    struct cmsghdr *h = CMSG_FIRSTHDR(m);
    struct stat st;
    int fd;
    if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
        h->cmsg_len < CMSG_LEN(sizeof(int)))
        return;
    memcpy(&fd, CMSG_DATA(h), sizeof fd);
    if (trusted && !c->asleep && (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
        st.st_size >= c->size)
        map_flags(c, fd);
    else
        close(fd);
}

void mp_doorbell_woke(mp_comm *c) {
    if (c->asleep) atomic_store_explicit(&c->asleep[c->rank], 0, memory_order_relaxed);
    for (int i = 0; i < 64 && c->bell >= 0 && c->secret; i++) {
        uint64_t secret = 0;
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
        struct iovec io = {&secret, sizeof secret};
        struct msghdr m = {.msg_iov = &io,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
        ssize_t n = recvmsg(c->bell, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0) break;
        take_flags(c, &m, n == sizeof secret && secret == c->secret);
        if (c->asleep) atomic_store_explicit(&c->asleep[c->rank], 0, memory_order_relaxed);
    }
}
