/* main.c - the life of a process: text alone without MPI, everything else between MPI_Init and MPI_Finalize.
 * Invariant: under a launcher no rank leaves with a non-zero code before MPI_Finalize (that hangs mpirun), and all ranks leave with the
 * same code. */
#include <errno.h>
#include <malloc.h>
#include <mpi.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/job.h"
#include "io/h5/h5_inspect.h"
#include "io/leftover.h"
#include "op/plugin/plugin_serve.h"

static bool write_all(int fd, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0) {
        ssize_t wrote = write(fd, p, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        p += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

static void say(const mp_error *err) {
    char text[4096];
    (void)!write_all(STDERR_FILENO, text, mp_job_message(err, text, sizeof text));
}

/* Help and the like, from one rank. */
static int print_early(const mp_buf *text) {
    if (mp_comm_env_rank() != 0) return 0;
    if (write_all(STDOUT_FILENO, text->data, text->len) || errno == EPIPE) return 0;
    mp_error err = MP_ERROR_INIT;
    mp_error_errno(&err, errno, "cannot write", "standard output");
    say(&err);
    return mp_comm_under_launcher() ? 0 : mp_status_exit_code(MP_IO);
}

/* No agreement is possible any more: the one place that ends the job from one rank. */
static _Noreturn void give_up(const mp_error *err, int code) {
    say(err);
    MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

static int run_job(mp_comm *c, int argc, const char *const *argv) {
    mp_job_result result;
    mp_status st = mp_job_run(c, argc, argv, "/proc/self/exe", give_up, &result);
    int code = mp_status_exit_code(st);
    if (mp_comm_broken(c)) give_up(&result.error, code ? code : 1);
    if (mp_comm_rank(c) == 0) {
        if (result.error.status != MP_OK) say(&result.error);
        (void)!write_all(STDERR_FILENO, result.notes.data, result.notes.len);
    }
    mp_job_release(&result);
    return code;
}

/* The threads that MPI starts get none of the signals that a run may want to hear: a signal to the process goes to the one thread that
 * runs mpart, which either blocks and reads it (run/stop.h) or is ended by it. */
static int init_mpi(void) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, &before);
    int rc = MPI_Init(NULL, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int main(int argc, char **argv) {
    const char *const *args = (const char *const *)argv;
    if (argc > 1 && strcmp(argv[1], MP_H5_INSPECT_WORD) == 0) return mp_h5_inspect_main(argc, argv);
    if (mp_plugin_is_worker(argc, argv)) return mp_plugin_serve(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    mp_buf text;
    mp_buf_init(&text, NULL);
    bool early = mp_job_early(argc, args, &text);
    int code = early ? print_early(&text) : 0;
    mp_buf_release(&text);
    if (early) return code;

    /* blocks of up to some MiB come and go all the time: they stay with the process */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    mp_comm_prepare_env();
    if (init_mpi() != MPI_SUCCESS) return 1;
    mp_comm_after_init();
    mp_comm *c = NULL;
    mp_error err = MP_ERROR_INIT;
    if (mp_comm_new(MPI_COMM_WORLD, &c, &err) != MP_OK) give_up(&err, 1);
    /* not before: under a launcher nobody may leave with a code before MPI_Init */
    mp_leftover_on_signals(mp_comm_rank(c) == 0, mp_comm_under_launcher());
    code = run_job(c, argc, args);
    mp_leftover_off(); /* a launcher ends the others as soon as one leaves with a code */
    mp_comm_finalize(&c);
    return code;
}
