/* dict_bench.c - operations a second of the shared dictionary, from its library, on the ranks it is started with.
 * Prints one line for each measure: operations, seconds, operations a second, and a second of processor time (of all
 * ranks), which says more where other programs are running; between hosts also bytes that crossed rank 0's network
 * for each operation. Built and run by dict.sh and tests/long/dict_two_hosts.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <mpart/dict.h>

enum { KEYS = 100000, BATCH = 512 };

typedef struct {
    mpart_dict *d;
    int rank, size;
    long n; /* operations of each rank */
    int between_hosts;
} bench;

static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* "key" and five digits, cheaply. */
static void write_key(char *out, uint64_t k) {
    memcpy(out, "key", 3);
    for (int i = 7; i >= 3; i--, k /= 10)
        out[i] = (char)('0' + k % 10);
}

static void check(bench *b, mpart_dict_code code) {
    if (code == MPART_DICT_OK) return;
    fprintf(stderr, "dict_bench: %s\n", mpart_dict_message(b->d));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Bytes in and out of this host, but for what it says to itself. */
static double network_bytes(void) {
    char line[512];
    double sum = 0;
    FILE *f = fopen("/proc/self/net/dev", "r");
    while (f && fgets(line, sizeof line, f)) {
        char name[64];
        double in, out;
        int n = sscanf(line, " %63[^:]: %lf %*f %*f %*f %*f %*f %*f %*f %lf", name, &in, &out);
        if (n == 3 && strcmp(name, "lo") != 0) sum += in + out;
    }
    if (f) fclose(f);
    return sum;
}

typedef void (*work_fn)(bench *b);

static void add_uniform(bench *b) {
    char key[8];
    for (long i = 0; i < b->n; i++) {
        write_key(key, mix((uint64_t)i * 64 + (uint64_t)b->rank) % KEYS);
        check(b, mpart_dict_add_int(b->d, key, sizeof key, 1));
    }
}

static void add_one_key(bench *b) {
    char key[8];
    for (long i = 0; i < b->n; i++) {
        write_key(key, 7);
        check(b, mpart_dict_add_int(b->d, key, sizeof key, 1));
    }
}

static void put_uniform(bench *b) {
    char key[8];
    for (long i = 0; i < b->n; i++) {
        mpart_dict_value v = mpart_dict_int(i);
        write_key(key, mix((uint64_t)i * 64 + (uint64_t)b->rank) % KEYS);
        check(b, mpart_dict_put(b->d, key, sizeof key, &v));
    }
}

static void get_many(bench *b) {
    static char text[BATCH][8];
    static const void *keys[BATCH];
    static size_t lens[BATCH];
    static mpart_dict_value values[BATCH];
    for (long i = 0; i < b->n; i += BATCH) {
        for (long k = 0; k < BATCH; k++) {
            write_key(text[k], mix((uint64_t)(i + k) * 64 + (uint64_t)b->rank) % KEYS);
            keys[k] = text[k];
            lens[k] = 8;
        }
        check(b, mpart_dict_get_many(b->d, BATCH, keys, lens, values));
    }
}

static void get_one_by_one(bench *b) {
    char key[8];
    mpart_dict_value v;
    for (long i = 0; i < b->n / 100; i++) {
        write_key(key, mix((uint64_t)i * 64 + (uint64_t)b->rank) % KEYS);
        check(b, mpart_dict_get(b->d, key, sizeof key, &v));
    }
}

static double processor_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void measure(bench *b, const char *name, work_fn work, long n) {
    check(b, mpart_dict_quiet(b->d));
    double start = MPI_Wtime(), used = processor_seconds(), bytes = network_bytes(), all;
    work(b);
    check(b, mpart_dict_quiet(b->d));
    double seconds = MPI_Wtime() - start;
    used = processor_seconds() - used;
    MPI_Allreduce(&used, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    double total = (double)n * b->size;
    if (b->rank != 0) return;
    printf("%-12s %2d ranks %10.0f operations %7.3f s %10.0f/s %10.0f/cpu-s", name, b->size, total,
           seconds, total / seconds, total / all);
    if (b->between_hosts) printf(" %6.1f bytes each", (network_bytes() - bytes) / total);
    printf("\n");
}

int main(int argc, char **argv) {
    bench b = {.n = argc > 1 ? atol(argv[1]) : 2000000};
    char message[1000];
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &b.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &b.size);
    MPI_Comm host;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    int here;
    MPI_Comm_size(host, &here);
    b.between_hosts = here < b.size;
    MPI_Comm_free(&host);
    if (mpart_dict_open(MPI_COMM_WORLD, 0, &b.d, message, sizeof message) != MPART_DICT_OK) {
        fprintf(stderr, "dict_bench: %s\n", message);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    measure(&b, "put", put_uniform, b.n);
    measure(&b, "add", add_uniform, b.n);
    measure(&b, "add one key", add_one_key, b.n);
    measure(&b, "get batched", get_many, b.n);
    measure(&b, "get", get_one_by_one, b.n / 100);
    int code = mpart_dict_close(&b.d, 0);
    MPI_Finalize();
    return code != MPART_DICT_OK;
}
