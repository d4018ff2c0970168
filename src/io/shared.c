/* shared.c - see shared.h. Regions are memory files, the line is a pair of sockets that keep messages whole. */
#include "io/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static size_t page_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int make_region(size_t bytes, bool receiver_writes, mp_shared *s) {
    s->fd = memfd_create("mpart", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)bytes) != 0) return errno;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (p == MAP_FAILED) return errno;
    s->p = p;
    if (fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return errno;
    /* older systems do not know it: then the receiver could write, which nobody relies on */
    if (!receiver_writes) (void)fcntl(s->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    return 0;
}

mp_status mp_shared_new(mp_mem *mem, size_t bytes, bool receiver_writes, mp_shared *out,
                        mp_error *err) {
    *out = MP_SHARED_NONE;
    bytes = (bytes + page_bytes() - 1) & ~(page_bytes() - 1);
    if (!mp_mem_reserve(mem, bytes)) return mp_mem_error(mem, bytes, err);
    out->bytes = bytes;
    int errnum = make_region(bytes, receiver_writes, out);
    if (!errnum) return MP_OK;
    mp_shared_release(mem, out);
    return mp_error_errno(err, errnum, "cannot make shared memory", NULL);
}

void mp_shared_release(mp_mem *mem, mp_shared *s) {
    if (s->p) munmap(s->p, s->bytes);
    if (s->fd >= 0) close(s->fd);
    mp_mem_return(mem, s->bytes);
    *s = MP_SHARED_NONE;
}

int mp_shared_map(int fd, bool writable, mp_shared *out) {
    struct stat st;
    size_t page = page_bytes();
    *out = MP_SHARED_NONE;
    if (fstat(fd, &st) != 0 || st.st_size <= 0) {
        close(fd);
        return EINVAL;
    }
    size_t bytes = (size_t)st.st_size;
    int access = PROT_READ | (writable ? PROT_WRITE : 0), errnum = 0;
    uint8_t *room =
        mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void *p = MAP_FAILED;
    if (room != MAP_FAILED) p = mmap(room + page, bytes, access, MAP_SHARED | MAP_FIXED, fd, 0);
    if (p == MAP_FAILED) errnum = errno;
    close(fd);
    if (!errnum) *out = (mp_shared){.p = p, .bytes = bytes, .fd = -1};
    return errnum;
}

/* ---- the line ---- */

int mp_line_pair(int *ours, int *theirs) {
    int fds[2];
    *ours = *theirs = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return errno;
    *ours = fds[0];
    *theirs = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

/* Room for one descriptor beside a message. */
typedef union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
} beside;

mp_line_result mp_line_send(int line, const void *bytes, size_t n, int fd) {
    beside b = {0};
    struct iovec v = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = &b;
        m.msg_controllen = sizeof b;
        b.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&b.head), &fd, sizeof fd);
    }
    for (;;) {
        if (sendmsg(line, &m, MSG_NOSIGNAL) >= 0) return MP_LINE_OK;
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == ENOBUFS ? MP_LINE_LATER : MP_LINE_ENDED;
    }
}

/* The first to whoever wants one; what else came is closed. */
static void take_descriptors(const struct cmsghdr *h, int *fd) {
    if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) return;
    size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
        int came;
        memcpy(&came, CMSG_DATA(h) + i * sizeof came, sizeof came);
        if (fd && *fd < 0)
            *fd = came;
        else
            close(came);
    }
}

mp_line_result mp_line_recv(int line, void *bytes, size_t cap, size_t *n, int *fd) {
    beside b = {0};
    struct iovec v = {.iov_base = bytes, .iov_len = cap};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &b, .msg_controllen = sizeof b};
    ssize_t got;
    if (fd) *fd = -1;
    /* an end that went without reading all is told once by an error, in front of what it sent */
    do
        got = recvmsg(line, &m, MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0 && errno == EAGAIN) return MP_LINE_LATER;
    if (got <= 0) return MP_LINE_ENDED;
    *n = (size_t)got;
    take_descriptors(CMSG_FIRSTHDR(&m), fd);
    return MP_LINE_OK;
}
