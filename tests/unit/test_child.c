/* test_child.c - processes: what a child gets, what it does not get, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/child.h"

static mp_arena arena;
static mp_spawner *spawner;

static int begin(void **state) {
    (void)state;
    mp_arena_init(&arena, NULL);
    signal(SIGPIPE, SIG_IGN);
    setenv("OMPI_COMM_WORLD_SIZE", "7", 1);
    setenv("PMIX_RANK", "1", 1);
    setenv("MPART_SHARD", "old", 1);
    setenv("KEPT", "as it is", 1);
    return mp_spawner_new(NULL, &spawner, NULL) == MP_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    mp_spawner_free(&spawner);
    mp_arena_release(&arena);
    return 0;
}

static int start(const char *script, int in, mp_child *child) {
    const char *argv[] = {"sh", "-c", script, NULL};
    const char *extra[] = {"MPART_SHARD=3", NULL};
    mp_child_args args = {.path = "/bin/sh",
                          .argv = argv,
                          .extra = extra,
                          .streams = {in, MP_CHILD_PIPE, MP_CHILD_PIPE}};
    return mp_child_start(spawner, &args, child);
}

static void wait_readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1);
}

/* All that comes out of a stream, up to its end. */
static const char *read_all(mp_child *child, int stream) {
    static char text[1 << 16];
    size_t n = 0;
    for (;;) {
        wait_readable(child->ends[stream]);
        ssize_t got = read(child->ends[stream], text + n, sizeof text - 1 - n);
        assert_true(got >= 0);
        if (got == 0) break;
        n += (size_t)got;
    }
    text[n] = 0;
    return text;
}

static int end_of(mp_child *child) {
    int status = -1;
    wait_readable(child->pidfd);
    assert_true(mp_child_ended(child));
    mp_child_reap(child, &status);
    assert_int_equal(child->pid, 0);
    for (int i = 0; i < 3; i++)
        mp_child_close(child, i);
    return status;
}

static void prints(const char *script, const char *want) {
    mp_child child;
    assert_int_equal(start(script, MP_CHILD_EMPTY, &child), 0);
    assert_string_equal(read_all(&child, 1), want);
    assert_int_equal(end_of(&child), 0);
}

static void finds_programs(void **state) {
    (void)state;
    const char *path = NULL;
    char folder[] = "/tmp/mpart-test-child-XXXXXX", plain[64], old[4096];
    assert_int_equal(mp_child_find("sh", &arena, &path), 0);
    assert_int_equal(path[0], '/');
    assert_int_equal(mp_child_find("no-such-command", &arena, &path), ENOENT);
    assert_int_equal(mp_child_find("/no/such/command", &arena, &path), ENOENT);
    assert_int_equal(mp_child_find("", &arena, &path), ENOENT);
    assert_int_equal(mp_child_find("/tmp", &arena, &path), EISDIR);
    assert_non_null(mkdtemp(folder));
    snprintf(plain, sizeof plain, "%s/plain", folder);
    int fd = open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    snprintf(old, sizeof old, "%s", getenv("PATH"));
    setenv("PATH", folder, 1);
    if (geteuid() != 0) assert_int_equal(mp_child_find(plain, &arena, &path), EACCES);
    assert_int_equal(mp_child_find("plain", &arena, &path), EACCES);
    assert_int_equal(chmod(plain, 0755), 0);
    assert_int_equal(mp_child_find("plain", &arena, &path), 0);
    assert_string_equal(path, plain);
    setenv("PATH", old, 1);
    unlink(plain);
    rmdir(folder);
}

static void gets_no_more_than_it_should(void **state) {
    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* without CLOEXEC */
    assert_true(leak > 2);
    prints("echo $(ls /proc/self/fd)", "0 1 2 3\n"); /* 3: the folder that ls reads */
    close(leak);
    prints("env | grep -cE '^(OMPI|PMIX)_'; echo $KEPT $MPART_SHARD; env | grep -c ^MPART_SHARD",
           "0\nas it is 3\n1\n");
    prints("cat; grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '0\\t\\n'", "SigBlk:SigIgn:");
    prints("[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && cat /proc/$$/oom_score_adj", "800\n");
    char text[64];
    snprintf(text, sizeof text, "%s", "0");
    int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_int_not_equal(atoi(text) == 800, 1);
}

static void ends_as_it_ends(void **state) {
    (void)state;
    mp_child child;
    assert_int_equal(start("exit 7", MP_CHILD_EMPTY, &child), 0);
    int status = end_of(&child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_int_equal(start("kill -SEGV $$", MP_CHILD_EMPTY, &child), 0);
    status = end_of(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_int_equal(start("exec yes", MP_CHILD_EMPTY, &child), 0);
    wait_readable(child.ends[1]);
    mp_child_close(&child, 1); /* it gets SIGPIPE although we ignore it */
    status = end_of(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

static void cannot_be_run(void **state) {
    (void)state;
    mp_child child;
    char text[] = "/tmp/mpart-test-child-XXXXXX";
    int fd = mkstemp(text);
    assert_true(fd >= 0 && write(fd, "echo \"$1\" \"$2\"\n", 15) == 15 && fchmod(fd, 0755) == 0);
    close(fd);
    const char *argv[] = {"x", "a b", "*", NULL};
    mp_child_args args = {.path = text, .argv = argv, .streams = {-1, MP_CHILD_PIPE, -1}};
    assert_int_equal(mp_child_start(spawner, &args, &child), 0);
    assert_string_equal(read_all(&child, 1), "a b *\n"); /* by the shell */
    assert_int_equal(end_of(&child), 0);
    fd = open(text, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, "#!/no/such/shell\n", 17), 17);
    close(fd);
    assert_int_equal(mp_child_start(spawner, &args, &child), ENOENT);
    assert_int_equal(child.pid, 0);
    args.path = "/no/such";
    assert_int_equal(mp_child_start(spawner, &args, &child), ENOENT);
    args.path = "/etc/passwd";
    assert_int_equal(mp_child_start(spawner, &args, &child), EACCES);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
    assert_int_equal(errno, ECHILD);
    unlink(text);
}

/* True within ten seconds once no process has this number. */
static bool gone(pid_t pid) {
    for (int i = 0; i < 1000; i++) {
        char path[32], state = 'X';
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "r");
        if (!f) return true;
        if (fscanf(f, "%*d %*[^)]) %c", &state) != 1) state = 'X';
        fclose(f);
        if (state == 'Z' || state == 'X') return true; /* nobody may be there to reap it */
        usleep(10000);
    }
    return false;
}

static void takes_its_group_with_it(void **state) {
    (void)state;
    mp_child child;
    assert_int_equal(start("sleep 100 & echo $!; exit 0", MP_CHILD_EMPTY, &child), 0);
    wait_readable(child.pidfd);
    char text[32] = "";
    assert_true(read(child.ends[1], text, sizeof text - 1) > 0);
    assert_int_equal(kill((pid_t)atoi(text), 0), 0);
    assert_int_equal(end_of(&child), 0);
    assert_true(gone((pid_t)atoi(text)));
    assert_int_equal(start("trap '' TERM; echo; sleep 100 & wait", MP_CHILD_EMPTY, &child), 0);
    wait_readable(child.ends[1]);
    mp_child_signal(&child, SIGTERM);
    assert_false(mp_child_ended(&child));
    mp_child_end(&child);
    assert_int_equal(child.pid, 0);
}

/* Its starter is killed: the child goes, too. */
static void dies_with_its_rank(void **state) {
    (void)state;
    int tell[2];
    assert_int_equal(pipe(tell), 0);
    pid_t rank = fork();
    assert_true(rank >= 0);
    if (rank == 0) {
        mp_child child;
        if (start("exec sleep 100", MP_CHILD_EMPTY, &child) != 0) _exit(1);
        if (write(tell[1], &child.pid, sizeof child.pid) != sizeof child.pid) _exit(1);
        pause();
        _exit(1);
    }
    pid_t pid = 0;
    assert_int_equal(read(tell[0], &pid, sizeof pid), sizeof pid);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(kill(rank, SIGKILL), 0);
    assert_int_equal(waitpid(rank, NULL, 0), rank);
    assert_true(gone(pid));
    close(tell[0]);
    close(tell[1]);
}

/* Standard streams of ours that are closed do not become pipes of the child's by their number. */
static void ignore(int sig) {
    (void)sig;
}

/* A launcher sends its ranks' groups a signal while a child is about to leave its rank's. */
static void is_not_reached_by_signals_to_the_rank(void **state) {
    (void)state;
    pid_t tester = fork();
    assert_true(tester >= 0);
    if (tester == 0) {
        if (setpgid(0, 0) != 0) _exit(2);
        signal(SIGUSR1, ignore);
        pid_t sender = fork();
        if (sender == 0)
            for (;;)
                if (getppid() == 1 || kill(0, SIGUSR1) != 0) _exit(0);
        int n_bad = 0, status;
        for (int i = 0; i < 300; i++) {
            mp_child child;
            if (start("exit 0", MP_CHILD_EMPTY, &child) != 0) _exit(3);
            struct pollfd p = {.fd = child.pidfd, .events = POLLIN};
            while (poll(&p, 1, 20000) < 0 && errno == EINTR)
                ;
            mp_child_reap(&child, &status);
            n_bad += status != 0;
            for (int k = 0; k < 3; k++)
                mp_child_close(&child, k);
        }
        kill(sender, SIGKILL);
        _exit(n_bad > 0);
    }
    int status;
    assert_int_equal(waitpid(tester, &status, 0), tester);
    assert_int_equal(status, 0);
}

static void without_standard_streams(void **state) {
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        mp_child child;
        char text[16] = "";
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        if (start("cat; echo out; echo err >&2", MP_CHILD_PIPE, &child) != 0) _exit(1);
        if (child.ends[0] < 3 || write(child.ends[0], "in\n", 3) != 3) _exit(2);
        mp_child_close(&child, 0);
        struct pollfd p = {.fd = child.pidfd, .events = POLLIN};
        if (poll(&p, 1, 20000) != 1) _exit(3);
        if (read(child.ends[1], text, 15) != 7 || strcmp(text, "in\nout\n") != 0) _exit(4);
        if (read(child.ends[2], text, 15) != 4 || memcmp(text, "err\n", 4) != 0) _exit(5);
        mp_child_end(&child);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_programs),
        cmocka_unit_test(gets_no_more_than_it_should),
        cmocka_unit_test(ends_as_it_ends),
        cmocka_unit_test(cannot_be_run),
        cmocka_unit_test(takes_its_group_with_it),
        cmocka_unit_test(dies_with_its_rank),
        cmocka_unit_test(without_standard_streams),
        cmocka_unit_test(is_not_reached_by_signals_to_the_rank),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
