/* life.c - around MPI_Init, and the making and unmaking of a mp_comm.
 * Invariant: nothing the user chose in the environment is changed; without a launcher nothing but this process is looked
 * for. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "comm/comm_state.h"

/* The value of a non-negative number in the environment, -1 when there is none. */
static long env_number(const char *name) {
    const char *text = getenv(name);
    if (!text || *text < '0' || *text > '9') return -1;
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    return errno || *end || v > 1000000000L ? -1 : v;
}

static long first_number(const char *const *names) {
    for (; *names; names++) {
        long v = env_number(*names);
        if (v >= 0) return v;
    }
    return -1;
}

bool mp_comm_under_launcher(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

const char *mp_comm_launcher_folder(void) {
    return mp_comm_under_launcher() ? getenv("PMIX_SERVER_TMPDIR") : NULL;
}

int mp_comm_env_rank(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", NULL};
    long v = mp_comm_under_launcher() ? first_number(names) : 0;
    return v > 0 ? (int)v : 0;
}

/* What MPI may ask hwloc for: on one host no network cards have to be found, which takes longer than all the rest. */
#define TOPOLOGY "HWLOC_COMPONENTS"
#define TOPOLOGY_PARTS "-linuxio,-pci"

static void choose(const char *name, const char *value) {
    setenv(name, value, 0);
}

/* Containers often forbid what single copy between processes needs, and then MPI fails in the middle of the work. */
static bool single_copy_allowed(void) {
    char from = 1, to = 0;
    struct iovec local = {&to, 1}, remote = {&from, 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

static bool env_one_host(void) {
    static const char *const world[] = {"OMPI_COMM_WORLD_SIZE", NULL};
    static const char *const local[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", NULL};
    long n = first_number(world);
    if (n > 0) return first_number(local) == n;
    return env_number("SLURM_STEP_NUM_NODES") == 1;
}

void mp_comm_prepare_env(void) {
    bool alone = !mp_comm_under_launcher();
    choose("OMPI_MCA_mpi_yield_when_idle", "1");
    choose("OMPI_MCA_io", "romio321");
    if (!alone && !env_one_host()) return;
    choose(TOPOLOGY, TOPOLOGY_PARTS);
    if (alone) {
        choose("OMPI_MCA_ess_singleton_isolated", "1");
        /* all programs that are alone would share one folder, and the first to end removes it under the others */
        choose("OMPI_MCA_orte_create_session_dirs", "0");
    }
    choose("OMPI_MCA_pml", "ob1");
    choose("OMPI_MCA_btl", alone ? "self" : "self,vader");
    if (!alone && !single_copy_allowed())
        choose("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
}

/* MPI talks to its launcher through a TCP socket, at the end in several small messages without an answer: the last of
 * them would wait 40 ms for the delayed acknowledgement of the one before. */
static void hasten_launcher(void) {
    enum { FDS = 256 };
    for (int fd = STDERR_FILENO + 1; fd < FDS; fd++) {
        int protocol = 0, yes = 1;
        socklen_t len = sizeof protocol;
        if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
            protocol == IPPROTO_TCP)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
}

bool mp_comm_calls_yield(bool yes) {
    bool (*set)(bool);
    *(void **)&set = dlsym(RTLD_DEFAULT, "opal_progress_set_yield_when_idle");
    return set ? set(yes) : yes;
}

void mp_comm_after_init(void) {
    const char *parts = getenv(TOPOLOGY);
    if (parts && strcmp(parts, TOPOLOGY_PARTS) == 0)
        unsetenv(TOPOLOGY); /* children are others' programs */
    hasten_launcher();
    (void)mp_comm_calls_yield(false);
}

enum { LIBRARIES = 128 };

typedef struct {
    char *name[LIBRARIES];
    int n;
} libraries;

static int note_plug_in(struct dl_phdr_info *info, size_t size, void *ctx) {
    libraries *l = ctx;
    (void)size;
    if (l->n < LIBRARIES && strstr(info->dlpi_name, "mca_") &&
        (l->name[l->n] = strdup(info->dlpi_name)))
        l->n++;
    return 0;
}

/* Open MPI 4.1 unloads its plug-ins in MPI_Finalize while a thread of its own may still be about to call one: where a message of
 * the launcher comes at that moment the rank would crash behind its work. What is loaded now stays. */
static void keep_plug_ins(void) {
    libraries l = {.n = 0};
    (void)dl_iterate_phdr(note_plug_in, &l);
    for (int i = 0; i < l.n; i++) {
        (void)dlopen(l.name[i], RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
        free(l.name[i]);
    }
}

static mp_status duplicate(mp_comm *c, MPI_Comm from, mp_error *err) {
    MPI_Request req;
    int done = 0;
    int rc = MPI_Comm_idup(from, &c->mpi, &req);
    for (int idle = 1; rc == MPI_SUCCESS; idle++) {
        rc = MPI_Test(&req, &done, MPI_STATUS_IGNORE);
        if (done) break;
        mp_comm_idle(c, idle);
    }
    if (rc == MPI_SUCCESS) rc = MPI_Comm_set_errhandler(c->mpi, MPI_ERRORS_RETURN);
    if (rc == MPI_SUCCESS) rc = MPI_Comm_rank(c->mpi, &c->rank);
    if (rc == MPI_SUCCESS) rc = MPI_Comm_size(c->mpi, &c->size);
    return rc == MPI_SUCCESS ? MP_OK : mp_comm_mpi_error(c, rc, "cannot set up MPI", err);
}

static void release(mp_comm *c) {
    mp_doorbell_release(c);
    mp_area_release(c);
    mp_collective_release(c);
    mp_message_release(c);
    if (c->mpi != MPI_COMM_NULL) MPI_Comm_free(&c->mpi);
    free(c);
}

mp_status mp_comm_new(MPI_Comm parent, mp_comm **out, mp_error *err) {
    *out = NULL;
    mp_comm *c = calloc(1, sizeof *c);
    if (!c) return mp_error_nomem(err, sizeof *c, 0);
    c->mpi = MPI_COMM_NULL;
    c->bell = c->watched = c->shared_fd = -1;
    c->size = c->host_ranks = 1;
    c->one_host = true;
    c->kept = MP_ERROR_INIT;
    c->letters_end = &c->letters;
    c->spin_ns = 200 * 1000;
    keep_plug_ins();
    if (gethostname(c->host, sizeof c->host - 1) != 0) c->host[0] = 0;
    mp_status s = duplicate(c, parent, err);
    if (s == MP_OK) s = mp_message_init(c, err);
    if (s == MP_OK) mp_collective_init(c);
    if (s == MP_OK && c->size > 1) s = mp_neighbours_meet(c, err);
    if (s != MP_OK) {
        release(c);
        return s;
    }
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors > 0 && c->host_ranks > processors) c->spin_ns = 0;
    *out = c;
    return MP_OK;
}

mp_status mp_comm_alone(mp_comm **out, mp_error *err) {
    return mp_comm_new(MPI_COMM_SELF, out, err);
}

static bool all_sent(void *ctx) {
    const mp_comm *c = ctx;
    return c->n_ops == c->n_receiving;
}

static mp_status discard(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)ctx, (void)src, (void)bytes, (void)len, (void)err;
    return MP_OK;
}

/* After a failure messages may be under way that nobody listens to any more; a long one is sent only when it is taken. */
static void take_what_is_left(mp_comm *c) {
    for (int tag = 0; tag < MP_TAG_COUNT; tag++)
        if (!c->listen[tag].fn) mp_comm_listen(c, (mp_tag)tag, discard, NULL);
}

void mp_comm_free(mp_comm **comm) {
    if (!comm || !*comm) return;
    mp_comm *c = *comm;
    *comm = NULL;
    take_what_is_left(c);
    /* nobody closes while another still sends to it; without MPI there is nothing left to wait for */
    if (!c->broken && mp_wait_quietly(c, all_sent, c, "last messages", NULL) == MP_OK &&
        mp_comm_barrier(c, NULL) == MP_OK)
        (void)!mp_wait_quietly(c, all_sent, c, "last messages", NULL);
    release(c);
}

int mp_comm_rank(const mp_comm *c) {
    return c->rank;
}

int mp_comm_size(const mp_comm *c) {
    return c->size;
}

int mp_comm_host_ranks(const mp_comm *c) {
    return c->host_ranks;
}

bool mp_comm_one_host(const mp_comm *c) {
    return c->one_host;
}

const char *mp_comm_host(const mp_comm *c) {
    return c->host;
}

uint32_t mp_comm_serial(mp_comm *c) {
    return ++c->n_serials;
}
