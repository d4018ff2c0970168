/* leftover.c - see leftover.h. The list is the one mutable global of this file: a signal handler can only
 * reach globals. It is changed by the one thread of the process and read by the handler that interrupts
 * it, which makes system calls alone and does not return. */
#include "io/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

enum { PLACES = 256, DEPTH = 8, TRIES = 50 };

typedef struct {
    char *volatile path; /* NULL: free */
    volatile mp_leftover_kind kind;
} leftover;

static struct {
    leftover list[PLACES];
    volatile sig_atomic_t says, term_says, launched;
} all;

int mp_leftover_add(const char *path, mp_leftover_kind kind) {
    for (int i = 0; i < PLACES; i++) {
        if (all.list[i].path) continue;
        all.list[i].kind = kind;
        all.list[i].path = strdup(path);
        return all.list[i].path ? i : -1;
    }
    return -1;
}

void mp_leftover_drop(int place) {
    if (place < 0) return;
    char *path = all.list[place].path;
    all.list[place].path = NULL;
    free(path);
}

/* ---- in the handler ---- */

/* An entry as getdents64 gives it. */
typedef struct {
    uint64_t inode;
    int64_t next;
    uint16_t len;
    uint8_t type;
    char name[];
} entry;

/* readdir needs memory of its own; the system call does not. */
static void empty_folder(int fd, int depth) {
    alignas(8) char list[4096];
    for (;;) {
        long n = syscall(SYS_getdents64, fd, list, sizeof list);
        if (n <= 0) return;
        for (long at = 0; at < n;) {
            const entry *e = (const entry *)(const void *)(list + at);
            at += e->len;
            if (e->name[0] == '.' && (!e->name[1] || (e->name[1] == '.' && !e->name[2]))) continue;
            if (unlinkat(fd, e->name, 0) == 0 || depth == 0) continue;
            int inner = openat(fd, e->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner < 0) continue;
            empty_folder(inner, depth - 1);
            close(inner);
            (void)!unlinkat(fd, e->name, AT_REMOVEDIR);
        }
    }
}

/* Other ranks may write into a folder until their signal comes. */
static void remove_tree(const char *path) {
    static const struct timespec moment = {0, 5 * 1000 * 1000};
    for (int tries = 0; tries < TRIES; tries++) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return;
        empty_folder(fd, DEPTH);
        close(fd);
        if (rmdir(path) == 0 || errno != ENOTEMPTY) return;
        nanosleep(&moment, NULL);
    }
}

static void take_away(const char *path, mp_leftover_kind kind) {
    switch (kind) {
    case MP_LEFTOVER_FILE:
        (void)!unlink(path);
        break;
    case MP_LEFTOVER_TREE:
        remove_tree(path);
        break;
    case MP_LEFTOVER_FOLDER:
        (void)!rmdir(path);
        break;
    }
}

/* Open MPI's launcher sends SIGTERM to every rank and SIGKILL a second later, or milliseconds later, as
 * soon as the first of them has ended: the work is done by a child in a session of its own, which the
 * launcher does not reach. The child has this process's memory, and this process waits for its end. */
static void take_all_away(void) {
    pid_t child = vfork();
    if (child > 0) return;
    if (child == 0) (void)setsid();
    for (int last = 0; last < 2; last++) /* folders behind what is in them */
        for (int i = 0; i < PLACES; i++)
            if (all.list[i].path && (all.list[i].kind == MP_LEFTOVER_FOLDER) == last)
                take_away(all.list[i].path, all.list[i].kind);
    if (child == 0) _exit(0);
}

static void on_signal(int sig) {
    static const char text[] = "mpart: interrupted\n";
    /* A rank with nothing to do ends last, so that the others get as far as that. */
    static const struct timespec patience = {0, 200 * 1000 * 1000};
    if (sig == SIGTERM ? all.term_says : all.says)
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
    bool any = false;
    for (int i = 0; i < PLACES; i++)
        any = any || all.list[i].path;
    if (any) take_all_away();
    if (!any && all.launched) nanosleep(&patience, NULL);
    _exit(mp_status_exit_code(MP_INTERRUPTED));
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static void handle_by(void (*handler)(int)) {
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART}, now;
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &sa, NULL);
}

void mp_leftover_on_signals(bool says, bool launched) {
    all.says = says;
    all.term_says = says && !launched;
    all.launched = launched;
    handle_by(on_signal);
}

void mp_leftover_off(void) {
    handle_by(SIG_DFL);
}
