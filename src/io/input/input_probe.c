/* input_probe.c - one path: file or stream, packed how, of a form that is read at all.
 * Invariant: only regular files are opened here; a pipe is told from its stat alone, so probing
 * neither waits for a writer nor eats what it wrote. */
#include "io/input/input_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

typedef struct {
    const char *endings; /* separated by blanks, NULL: bytes only */
    const char *magic;   /* NULL: name only */
    size_t magic_len;
    size_t at; /* of the magic */
    const char *form;
    const char *hint; /* %s: the path */
} foreign_form;

static const char EXCEL_HINT[] =
    "save it as CSV first, for example: libreoffice --headless --convert-to csv '%.300s'";

static const foreign_form FOREIGN[] = {
    {".parquet .pq", "PAR1", 4, 0, "Parquet",
     "convert it first, for example: duckdb -c \"copy '%.300s' to 'out.csv'\""},
    {".feather .arrow", "ARROW1\0\0", 8, 0, "Arrow",
     "convert it first, for example: python3 -c \"import pandas; "
     "pandas.read_feather('%.200s').to_csv('out.csv', index=False)\""},
    {".xlsx .xlsm", NULL, 0, 0, "Excel", EXCEL_HINT},
    {".xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, 0, "Excel", EXCEL_HINT},
    {NULL, "PK\3\4", 4, 0, "zip", "unpack it first: unzip -p '%.300s' | mpart COMMAND -"},
    {NULL,
     "\xfd"
     "7zXZ\0",
     6, 0, "xz", "unpack it first: xz -dc '%.300s' | mpart COMMAND -"},
    {NULL, "\x04\x22\x4d\x18", 4, 0, "lz4", "unpack it first: lz4 -dc '%.300s' | mpart COMMAND -"},
    {NULL, "1AY&SY", 6, 4, "bzip2", "unpack it first: bzip2 -dc '%.300s' | mpart COMMAND -"},
};
enum { N_FOREIGN = sizeof FOREIGN / sizeof FOREIGN[0] };

static mp_status refuse(const foreign_form *f, const char *path, mp_error *err) {
    mp_error_set(err, MP_USAGE, "cannot read this form", "%s input is not supported yet", f->form);
    mp_error_file(err, path);
    mp_error_hint(err, f->hint, path);
    return MP_USAGE;
}

bool mp_probe_ends_with(const char *s, const char *ending) {
    size_t n = strlen(s), m = strlen(ending);
    return n > m && mp_str_eq_nocase(mp_str_of(s + n - m, m), ending);
}

static bool ends_with_any(const char *s, const char *endings) {
    char one[16];
    while (*endings) {
        size_t n = strcspn(endings, " ");
        if (n < sizeof one) {
            memcpy(one, endings, n);
            one[n] = 0;
            if (mp_probe_ends_with(s, one)) return true;
        }
        endings += n + (endings[n] == ' ');
    }
    return false;
}

mp_status mp_probe_name(const char *path, mp_error *err) {
    for (int i = 0; i < N_FOREIGN; i++)
        if (FOREIGN[i].endings && ends_with_any(path, FOREIGN[i].endings))
            return refuse(&FOREIGN[i], path, err);
    return MP_OK;
}

static bool has_magic(const foreign_form *f, const uint8_t *p, size_t n, bool parquet_tail) {
    if (!f->magic || n < f->at + f->magic_len) return false;
    if (memcmp(p + f->at, f->magic, f->magic_len) != 0) return false;
    /* a header line may well begin with these letters */
    if (strcmp(f->form, "Parquet") == 0) return parquet_tail && n > 4 && p[4] == 0x15;
    if (strcmp(f->form, "bzip2") == 0) return memcmp(p, "BZh", 3) == 0;
    return true;
}

/* All of a file that was cut off within the magic number of what its name says it is. */
static mp_packing cut_magic(const char *path, const uint8_t *p, size_t n) {
    static const uint8_t gzip[] = {0x1F}, zstd[] = {0x28, 0xB5, 0x2F};
    mp_packing named = mp_probe_name_packing(path);
    const uint8_t *magic = named == MP_PACK_GZIP ? gzip : zstd;
    size_t most = named == MP_PACK_GZIP ? sizeof gzip : sizeof zstd;
    bool cut = named != MP_PACK_NONE && n > 0 && n <= most && memcmp(p, magic, n) == 0;
    return cut ? named : MP_PACK_NONE;
}

mp_status mp_probe_bytes(const char *path, const uint8_t *p, size_t n, bool parquet_tail,
                         mp_packing *out, mp_error *err) {
    static const uint8_t zstd_rest[3] = {0xB5, 0x2F, 0xFD}, skippable_rest[3] = {0x2A, 0x4D, 0x18};
    *out = cut_magic(path, p, n);
    if (n >= 2 && p[0] == 0x1F && p[1] == 0x8B) {
        *out = MP_PACK_GZIP;
        return MP_OK;
    }
    if (n >= 4 && ((p[0] == 0x28 && memcmp(p + 1, zstd_rest, 3) == 0) ||
                   ((p[0] & 0xF0) == 0x50 && memcmp(p + 1, skippable_rest, 3) == 0))) {
        *out = MP_PACK_ZSTD;
        return MP_OK;
    }
    for (int i = 0; i < N_FOREIGN; i++)
        if (has_magic(&FOREIGN[i], p, n, parquet_tail)) return refuse(&FOREIGN[i], path, err);
    return MP_OK;
}

bool mp_probe_h5_name(const char *path) {
    return ends_with_any(path, ".h5 .hdf5 .he5 .h5ad");
}

mp_packing mp_probe_name_packing(const char *path) {
    if (ends_with_any(path, ".gz .bgz")) return MP_PACK_GZIP;
    return mp_probe_ends_with(path, ".zst") ? MP_PACK_ZSTD : MP_PACK_NONE;
}

bool mp_probe_known_ending(const char *name) {
    return name[0] != '.' && ends_with_any(name, ".csv .tsv .csv.gz .tsv.gz .csv.bgz .tsv.bgz "
                                                 ".csv.zst .tsv.zst .ndjson .jsonl .txt "
                                                 ".h5 .hdf5 .he5 .h5ad "
                                                 ".ndjson.gz .jsonl.gz .txt.gz "
                                                 ".ndjson.zst .jsonl.zst .txt.zst");
}

/* A name of a descriptor of this process: no other rank can open it, so it is read as a stream. */
static bool is_descriptor_name(const char *path) {
    return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

bool mp_probe_is_h5(int fd, int64_t size_bytes) {
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    uint8_t p[8];
    /* behind a user block of 512 bytes, 1 KiB, 2 KiB ...: beyond some of them nobody has one */
    for (int64_t at = 0; at <= size_bytes - 8 && at <= 1 << 20; at = at ? 2 * at : 512)
        if (pread(fd, p, 8, (off_t)at) == 8 && memcmp(p, signature, 8) == 0) return true;
    return false;
}

static mp_status probe_regular(const char *path, const struct stat *st, mp_input *in,
                               mp_error *err) {
    uint8_t head[MP_PROBE_BYTES], tail[4];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return mp_error_errno(err, errno, "cannot open", path);
    size_t n = 0;
    ssize_t got = 1;
    while (n < sizeof head && got != 0) {
        got = pread(fd, head + n, sizeof head - n, (off_t)n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        n += (size_t)got;
    }
    int errnum = got < 0 ? errno : 0;
    bool parquet = st->st_size >= 12 && pread(fd, tail, 4, st->st_size - 4) == 4 &&
                   memcmp(tail, "PAR1", 4) == 0;
    in->is_h5 = mp_probe_is_h5(fd, st->st_size);
    close(fd);
    if (errnum) return mp_error_errno(err, errnum, "cannot read", path);
    if (in->is_h5 && !is_descriptor_name(path)) {
        in->kind = MP_INPUT_FILE;
        in->size_bytes = (int64_t)st->st_size;
        return MP_OK;
    }
    mp_status s = mp_probe_bytes(path, head, n, parquet, &in->packing, err);
    if (s != MP_OK) return s;
    /* files that the kernel makes up say 0 bytes and have some */
    bool made_up = st->st_size == 0 && n > 0;
    in->kind = in->packing != MP_PACK_NONE || made_up || is_descriptor_name(path) ? MP_INPUT_STREAM
                                                                                  : MP_INPUT_FILE;
    in->size_bytes = made_up ? -1 : (int64_t)st->st_size;
    return MP_OK;
}

mp_status mp_probe_path(const char *path, mp_input *out, mp_error *err) {
    struct stat st;
    if (stat(path, &st) != 0) return mp_error_errno(err, errno, "cannot open", path);
    mp_status s = mp_probe_name(path, err);
    if (s != MP_OK) return s;
    *out = (mp_input){.path = path, .kind = MP_INPUT_STREAM, .size_bytes = -1};
    out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (S_ISREG(st.st_mode)) return probe_regular(path, &st, out, err);
    if (S_ISDIR(st.st_mode)) return mp_error_errno(err, EISDIR, "cannot read", path);
    if (S_ISSOCK(st.st_mode)) return mp_error_errno(err, ENXIO, "cannot open", path);
    if (access(path, R_OK) != 0) return mp_error_errno(err, errno, "cannot open", path);
    out->packing = mp_probe_name_packing(path);
    return MP_OK;
}
