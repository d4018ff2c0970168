/* dict_count.c - counts the words of a file on all ranks, with the shared dictionary of libmpart.
 *
 *     mpicc dict_count.c -o dict_count $(pkg-config --cflags --libs mpart)
 *     mpirun -np 4 dict_count text.txt
 *
 * Each rank takes every size-th line, and prints the words that it owns: word, tab, count, in no order. */
#include <stdio.h>
#include <string.h>

#include <mpart/dict.h>

static int print_pair(void *file, const void *word, size_t n, const mpart_dict_value *count) {
    return fprintf(file, "%.*s\t%lld\n", (int)n, (const char *)word, (long long)count->i) > 0;
}

static mpart_dict_code count_words(mpart_dict *d, FILE *f, int rank, int size) {
    static char line[1 << 16];
    mpart_dict_code code = MPART_DICT_OK;
    for (long i = 0; code == MPART_DICT_OK && fgets(line, sizeof line, f); i++) {
        if (i % size != rank) continue;
        for (char *w = strtok(line, " \t\r\n"); w && code == MPART_DICT_OK;
             w = strtok(NULL, " \t\r\n"))
            code = mpart_dict_add_int(d, w, strlen(w), 1);
    }
    return code;
}

int main(int argc, char **argv) {
    char message[1000];
    int rank, size, failed;
    mpart_dict *d;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    mpart_dict_code code = mpart_dict_open(MPI_COMM_WORLD, 1 << 30, &d, message, sizeof message);
    if (code != MPART_DICT_OK) { /* on all ranks */
        if (rank == 0) fprintf(stderr, "dict_count: %s\n", message);
        MPI_Finalize();
        return 1;
    }
    FILE *f = argc > 1 ? fopen(argv[1], "r") : stdin;
    failed = f == NULL;
    if (failed) perror(argv[1]);
    if (!failed) {
        code = count_words(d, f, rank, size);
        /* what this rank could not do, the others do not wait for: it goes on to close */
        if (code == MPART_DICT_OK) code = mpart_dict_quiet(d);
        if (code == MPART_DICT_OK) code = mpart_dict_each(d, print_pair, stdout);
        failed = code != MPART_DICT_OK;
        if (failed) fprintf(stderr, "dict_count: rank %d: %s\n", rank, mpart_dict_message(d));
        if (f != stdin) fclose(f);
    }
    code = mpart_dict_close(&d, failed);
    MPI_Finalize();
    return code != MPART_DICT_OK;
}
