/* child.c - see child.h. vfork, because a rank may hold gigabytes whose page tables fork would copy,
 * and because fork is unsafe beside some networks.
 * Invariant: between vfork and exec nothing but system calls is done, with all signals blocked, and
 * nothing of the parent is written but `failed`. */
#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FREE_FD = 3, EXTRA_MAX = 16 };

struct mp_spawner {
    mp_mem *mem;
    const char **env; /* room for EXTRA_MAX in front */
    int null_fd;
    struct rlimit files; /* as they were */
    mp_arena arena;
};

/* ---- what children share ---- */

/* The launcher's, or one that the caller gives anew to each child. */
static bool is_dropped(const char *variable) {
    static const char *const prefixes[] = {
        "OMPI_",        "PMIX_",         "PMI_",        "ORTE_",
        "MPART_SHARD=", "MPART_SHARDS=", "MPART_RANK=", "MPART_RANKS="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

/* The texts are copied: whoever changes the environment later does not change what children get. */
static mp_status copy_environment(mp_spawner *s, mp_error *err) {
    size_t n = 0, bytes;
    while (environ && environ[n])
        n++;
    bytes = (n + EXTRA_MAX + 1) * sizeof *s->env;
    s->env = mp_arena_alloc(&s->arena, bytes, sizeof(char *));
    if (!s->env) return mp_mem_error(s->mem, bytes, err);
    size_t at = EXTRA_MAX;
    for (size_t i = 0; i < n; i++) {
        if (is_dropped(environ[i])) continue;
        size_t len = strlen(environ[i]) + 1;
        char *copy = mp_arena_alloc(&s->arena, len, 1);
        if (!copy) return mp_mem_error(s->mem, len, err);
        s->env[at++] = memcpy(copy, environ[i], len);
    }
    s->env[at] = NULL;
    return MP_OK;
}

/* A descriptor that is not one of the three standard ones. */
static int above_standard(int fd) {
    if (fd < 0 || fd >= FIRST_FREE_FD) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int errnum = errno;
    close(fd);
    errno = errnum;
    return moved;
}

mp_status mp_spawner_new(mp_mem *mem, mp_spawner **out, mp_error *err) {
    mp_spawner *s = mp_mem_calloc(mem, 1, sizeof *s);
    *out = s;
    if (!s) return mp_mem_error(mem, sizeof *s, err);
    s->mem = mem;
    s->null_fd = -1;
    mp_arena_init(&s->arena, mem);
    mp_status st = copy_environment(s, err);
    if (st == MP_OK) {
        s->null_fd = above_standard(open("/dev/null", O_RDWR | O_CLOEXEC));
        if (s->null_fd < 0) st = mp_error_errno(err, errno, "cannot open", "/dev/null");
    }
    if (getrlimit(RLIMIT_NOFILE, &s->files) == 0 && s->files.rlim_cur < s->files.rlim_max) {
        struct rlimit more = {s->files.rlim_max, s->files.rlim_max};
        (void)setrlimit(RLIMIT_NOFILE, &more);
    }
    if (st != MP_OK) mp_spawner_free(out);
    return st;
}

void mp_spawner_free(mp_spawner **s) {
    if (!*s) return;
    if ((*s)->null_fd >= 0) close((*s)->null_fd);
    mp_arena_release(&(*s)->arena);
    mp_mem_free((*s)->mem, *s);
    *s = NULL;
}

/* ---- the program ---- */

static int usable(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return errno;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static char *join_path(const char *folder, size_t n, const char *name, mp_arena *arena) {
    size_t len = strlen(name);
    char *path = mp_arena_alloc(arena, n + len + 3, 1);
    if (!path) return NULL;
    if (n == 0) folder = ".", n = 1; /* an empty part of PATH is the folder that one is in */
    memcpy(path, folder, n);
    path[n] = '/';
    memcpy(path + n + 1, name, len + 1);
    return path;
}

int mp_child_find(const char *name, mp_arena *arena, const char **path) {
    if (strchr(name, '/')) {
        *path = name;
        return usable(name);
    }
    const char *folders = getenv("PATH");
    int found = ENOENT;
    if (!*name) return ENOENT;
    if (!folders) folders = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t n = strcspn(folders, ":");
        char *file = join_path(folders, n, name, arena);
        if (!file) return ENOMEM;
        int errnum = usable(file);
        if (errnum == 0) {
            *path = file;
            return 0;
        }
        if (errnum == EACCES) found = EACCES;
        if (!folders[n]) return found;
        folders += n + 1;
    }
}

/* ---- start ---- */

/* What the child needs, made before vfork. */
typedef struct {
    const char *path;
    const char *const *argv;
    const char *const *env;
    const struct rlimit *files;
    int fds[3]; /* its ends, all >= FIRST_FREE_FD */
    pid_t parent;
    sigset_t mask; /* no signal */
} start;

static void close_others(void) {
    if (syscall(SYS_close_range, FIRST_FREE_FD, ~0U, 0) == 0) return;
    struct rlimit files;
    int most = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1 << 16
                   ? (int)files.rlim_cur
                   : 1 << 16;
    for (int fd = FIRST_FREE_FD; fd < most; fd++)
        close(fd);
}

/* It is the first to go when memory is short. */
static void offer_to_oom(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    (void)!write(fd, "800", 3);
    close(fd);
}

/* Ignored first: a signal that the launcher sent to this rank's group while the child was of it, and that
 * waits because all are blocked, was not meant for the child and goes. By system calls: glibc does not
 * let go of the two signals of its own, which make ignores. All zero is the default, whatever the
 * order of the kernel's fields; the handler is first. */
static void reset_signals(void) {
    static const uint64_t plain[8], ignored[8] = {(uint64_t)(uintptr_t)SIG_IGN};
    for (int sig = 1; sig < NSIG; sig++) {
        syscall(SYS_rt_sigaction, sig, ignored, NULL, sizeof(uint64_t));
        syscall(SYS_rt_sigaction, sig, plain, NULL, sizeof(uint64_t));
    }
}

/* In the child. Returns the errno of what failed. */
static int become(const start *s) {
    if (setpgid(0, 0) != 0) return errno;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (getppid() != s->parent) return ESRCH; /* it went before the signal was asked for */
    reset_signals();
    offer_to_oom();
    for (int i = 0; i < 3; i++)
        if (dup2(s->fds[i], i) < 0) return errno;
    close_others();
    setrlimit(RLIMIT_NOFILE, s->files);
    sigprocmask(SIG_SETMASK, &s->mask, NULL);
    execve(s->path, (char *const *)(uintptr_t)s->argv, (char *const *)(uintptr_t)s->env);
    return errno;
}

/* 0 and *pid, or an errno. On its own so that no variable of the caller lives across vfork. */
static __attribute__((noinline)) int run_vfork(const start *s, pid_t *pid) {
    volatile int failed = 0;
    pid_t child = vfork();
    if (child == 0) {
        failed = become(s);
        _exit(127);
    }
    if (child < 0) return errno;
    if (failed) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
        return failed;
    }
    *pid = child;
    return 0;
}

/* A script without its first line: the shell reads it. */
static int run_as_script(start *s, pid_t *pid) {
    const char *argv[256];
    size_t n = 0;
    while (s->argv[n])
        n++;
    if (n + 2 > sizeof argv / sizeof *argv) return ENOEXEC;
    argv[0] = "sh";
    argv[1] = s->path;
    memcpy(argv + 2, s->argv + 1, n * sizeof *argv);
    s->path = "/bin/sh";
    s->argv = argv;
    return run_vfork(s, pid);
}

static int run_blocked(start *s, pid_t *pid) {
    sigset_t all, before;
    sigfillset(&all);
    sigemptyset(&s->mask);
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0) return errno;
    int errnum = run_vfork(s, pid);
    if (errnum == ENOEXEC) errnum = run_as_script(s, pid);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return errnum;
}

/* theirs: to be closed by us when it is not the caller's; ours: -1 but for a pipe. */
static int make_stream(const mp_spawner *s, int wanted, bool is_input, int *theirs, int *ours) {
    int fds[2];
    *theirs = *ours = -1;
    if (wanted == MP_CHILD_EMPTY) {
        *theirs = s->null_fd;
        return 0;
    }
    if (wanted >= 0) {
        *theirs = wanted;
        if (wanted >= FIRST_FREE_FD) return 0;
        *theirs = fcntl(wanted, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        return *theirs < 0 ? errno : 0;
    }
    if (pipe2(fds, O_CLOEXEC) != 0) return errno;
    *theirs = above_standard(fds[is_input ? 0 : 1]);
    *ours = above_standard(fds[is_input ? 1 : 0]);
    if (*theirs < 0 || *ours < 0) return EMFILE;
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

static void close_theirs(const mp_spawner *s, const mp_child_args *args, const int *fds) {
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && fds[i] != s->null_fd && fds[i] != args->streams[i]) close(fds[i]);
}

int mp_child_start(const mp_spawner *s, const mp_child_args *args, mp_child *out) {
    *out = (mp_child){.pidfd = -1, .ends = {-1, -1, -1}};
    start st = {.path = args->path,
                .argv = args->argv,
                .files = &s->files,
                .fds = {-1, -1, -1},
                .parent = getpid()};
    size_t n = 0;
    while (args->extra && args->extra[n] && n < EXTRA_MAX)
        n++;
    for (size_t i = 0; i < n; i++)
        s->env[EXTRA_MAX - n + i] = args->extra[i];
    st.env = s->env + (EXTRA_MAX - n);
    int errnum = 0;
    for (int i = 0; i < 3 && !errnum; i++)
        errnum = make_stream(s, args->streams[i], i == 0, &st.fds[i], &out->ends[i]);
    if (!errnum) errnum = run_blocked(&st, &out->pid);
    close_theirs(s, args, st.fds);
    if (!errnum) {
        out->pidfd = (int)syscall(SYS_pidfd_open, out->pid, 0);
        if (out->pidfd < 0) errnum = errno;
    }
    if (errnum) mp_child_end(out);
    return errnum;
}

/* ---- afterwards ---- */

void mp_child_signal(const mp_child *c, int signal) {
    if (c->pid > 0) (void)kill(-c->pid, signal);
}

bool mp_child_ended(const mp_child *c) {
    siginfo_t info = {0};
    return c->pid > 0 && waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == c->pid;
}

void mp_child_close(mp_child *c, int stream) {
    if (c->ends[stream] >= 0) close(c->ends[stream]);
    c->ends[stream] = -1;
}

void mp_child_reap(mp_child *c, int *status) {
    if (c->pid <= 0) return;
    /* while the zombie holds the number no other group can have it */
    mp_child_signal(c, SIGKILL);
    while (waitpid(c->pid, status, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
    if (c->pidfd >= 0) close(c->pidfd);
    c->pidfd = -1;
}

void mp_child_end(mp_child *c) {
    int status;
    mp_child_signal(c, SIGKILL);
    mp_child_reap(c, &status);
    for (int i = 0; i < 3; i++)
        mp_child_close(c, i);
}
