/* input_stream.c - bytes of a pipe or a packed file, unpacked on the way.
 * Invariant: in[pos, len) are bytes of the file that are not consumed yet; a read on a pipe is made
 * only after poll has said that it will not wait. The first bytes decide how the stream is packed,
 * whatever its name says. */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "io/input/input_probe.h"

enum { IN_BYTES = 256 * 1024, STEP_BYTES = 1 << 30 };

struct mp_stream {
    const char *path; /* for messages */
    int fd;
    bool own_fd, waits;   /* waits: a read may have to wait, so poll first */
    bool sniffed, at_end; /* at_end: the file has no more bytes */
    mp_packing packing;
    int64_t n_read; /* bytes taken from the file */
    struct inflate_state *gzip;
    ZSTD_DStream *zstd;
    bool inside;           /* inside a member or frame: the file must not end here */
    bool entered;          /* by mp_stream_enter: somewhere in the file */
    int64_t member_at;     /* where the member or frame under way begins */
    int64_t plain;         /* plain offset of what comes next */
    mp_pack_point expects; /* packed -1: nothing */
    bool pending;          /* the last step filled its room, so the decoder may hold more */
    size_t pos, len;
    uint8_t in[IN_BYTES];
};

mp_status mp_stream_open(const mp_input *input, mp_stream **out, mp_error *err) {
    bool standard = strcmp(input->path, "-") == 0;
    mp_stream *s = mp_mem_calloc(NULL, 1, sizeof *s);
    if (!s) return mp_mem_error(NULL, sizeof *s, err);
    s->path = standard ? "standard input" : input->path;
    s->own_fd = !standard;
    /* a pipe of our own is opened without waiting for its writer; a descriptor shared with others
     * keeps its flags */
    s->fd = standard ? 0 : open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    mp_status status = MP_OK;
    if (s->fd < 0)
        status = mp_error_errno(err, errno, "cannot open", s->path);
    else if (fstat(s->fd, &st) != 0)
        status = mp_error_errno(err, errno, "cannot read", s->path);
    else if (S_ISDIR(st.st_mode))
        status = mp_error_errno(err, EISDIR, "cannot read", s->path);
    if (status != MP_OK) {
        mp_stream_close(&s);
        return status;
    }
    s->waits = !S_ISREG(st.st_mode);
    s->expects.packed = -1;
    *out = s;
    return MP_OK;
}

void mp_stream_close(mp_stream **s) {
    if (!*s) return;
    mp_mem_free(NULL, (*s)->gzip);
    ZSTD_freeDStream((*s)->zstd);
    if ((*s)->own_fd && (*s)->fd >= 0) close((*s)->fd);
    mp_mem_free(NULL, *s);
    *s = NULL;
}

int mp_stream_fd(const mp_stream *s) {
    return s->waits ? s->fd : -1;
}

int64_t mp_stream_consumed(const mp_stream *s) {
    return s->n_read - (int64_t)(s->len - s->pos);
}

/* Up to cap bytes of the file: *n 0 with *later, or with at_end set. */
static mp_status take(mp_stream *s, uint8_t *to, size_t cap, size_t *n, bool *later,
                      mp_error *err) {
    *n = 0;
    if (s->at_end) return MP_OK;
    for (;;) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        int ready = s->waits ? poll(&p, 1, 0) : 1;
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return mp_error_errno(err, errno, "cannot read", s->path);
        if (ready > 0 && (p.revents & POLLNVAL))
            return mp_error_errno(err, EBADF, "cannot read", s->path);
        ssize_t got = ready ? read(s->fd, to, cap < STEP_BYTES ? cap : STEP_BYTES) : -1;
        if (ready && got < 0 && errno == EINTR) continue;
        if (!ready || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))) {
            *later = true;
            return MP_OK;
        }
        if (got < 0) return mp_error_errno(err, errno, "cannot read", s->path);
        s->at_end = got == 0;
        *n = (size_t)got;
        s->n_read += (int64_t)got;
        return MP_OK;
    }
}

static mp_status fill(mp_stream *s, bool *later, mp_error *err) {
    size_t n;
    if (s->pos == s->len) s->pos = s->len = 0;
    mp_status status = take(s, s->in + s->len, IN_BYTES - s->len, &n, later, err);
    s->len += n;
    return status;
}

static mp_status start_packed(mp_stream *s, mp_error *err) {
    if (s->packing == MP_PACK_GZIP && !s->gzip) {
        s->gzip = mp_mem_calloc(NULL, 1, sizeof *s->gzip);
        if (!s->gzip) return mp_mem_error(NULL, sizeof *s->gzip, err);
    } else if (s->packing == MP_PACK_ZSTD && !s->zstd) {
        s->zstd = ZSTD_createDStream();
        if (!s->zstd) return mp_error_nomem(err, 1 << 17, 0);
    }
    return MP_OK;
}

mp_status mp_stream_enter(mp_stream *s, mp_packing packing, mp_pack_point from, mp_error *err) {
    s->packing = packing;
    mp_status status = start_packed(s, err);
    if (status != MP_OK) return status;
    if (lseek(s->fd, (off_t)from.packed, SEEK_SET) < 0)
        return mp_error_errno(err, errno, "cannot read", s->path);
    if (s->zstd) ZSTD_initDStream(s->zstd);
    s->sniffed = s->entered = true;
    s->at_end = s->inside = s->pending = false;
    s->pos = s->len = 0;
    s->n_read = s->member_at = from.packed;
    s->plain = from.plain;
    s->expects.packed = -1;
    return MP_OK;
}

void mp_stream_expect(mp_stream *s, mp_pack_point p) {
    s->expects = p;
}

/* Gather as many first bytes as the forms of streams need; a stream that has fewer is waited for
 * until it ends. */
static mp_status sniff(mp_stream *s, bool *later, mp_error *err) {
    enum { ENOUGH = 16 };
    while (s->len < ENOUGH && !s->at_end && !*later) {
        mp_status status = fill(s, later, err);
        if (status != MP_OK) return status;
    }
    if (s->len < ENOUGH && !s->at_end) return MP_OK;
    *later = false;
    mp_status status = mp_probe_bytes(s->path, s->in, s->len, true, &s->packing, err);
    if (status != MP_OK) return status;
    s->sniffed = true;
    return start_packed(s, err);
}

static mp_status corrupt_at(const mp_stream *s, int64_t at, const char *why, mp_error *err) {
    mp_error_set(err, MP_DATA, "bad packed data", "%s at byte %lld of the packed data: %s",
                 s->packing == MP_PACK_GZIP ? "gzip" : "zstd", (long long)at, why);
    mp_error_file(err, s->path);
    return MP_DATA;
}

/* Where the bytes were taken from the front the place is where the flaw was met; else, since that
 * depends on where reading began, where the member or frame begins. */
static mp_status corrupt(const mp_stream *s, const char *why, mp_error *err) {
    return corrupt_at(s, s->entered ? s->member_at : mp_stream_consumed(s), why, err);
}

static mp_status not_met(const mp_stream *s, mp_error *err) {
    return corrupt(s, "its size is not what the headers say", err);
}

/* A member or frame begins here, or the file ends: is that where it was said to be? */
static mp_status meet(mp_stream *s, mp_error *err) {
    int64_t at = mp_stream_consumed(s);
    if (s->expects.packed >= 0 && at >= s->expects.packed) {
        if (at > s->expects.packed || s->plain != s->expects.plain) return not_met(s, err);
        s->expects.packed = -1;
    }
    s->member_at = at;
    return MP_OK;
}

/* Between two members: zeros are padding, anything else begins the next one. */
static void skip_padding(mp_stream *s) {
    if (mp_stream_consumed(s) == 0) return;
    while (s->pos < s->len && s->in[s->pos] == 0)
        s->pos++;
}

/* What is there of the next bytes is, or may become, the magic number of a member or frame. */
static bool may_begin(const mp_stream *s) {
    static const uint8_t gzip[] = {0x1F, 0x8B}, frame[] = {0x28, 0xB5, 0x2F, 0xFD},
                         skippable[] = {0x50, 0x2A, 0x4D, 0x18};
    const uint8_t *p = s->in + s->pos;
    size_t n = s->len - s->pos;
    if (s->packing == MP_PACK_GZIP) return memcmp(p, gzip, n < 2 ? n : 2) == 0;
    n = n < 4 ? n : 4;
    return memcmp(p, frame, n) == 0 ||
           ((p[0] & 0xF0) == skippable[0] && memcmp(p + 1, skippable + 1, n - 1) == 0);
}

/* gzip itself leaves such bytes out with a warning; but they may be rows whose header is damaged. */
static mp_status garbage(const mp_stream *s, mp_error *err) {
    mp_status status =
        corrupt_at(s, s->member_at, "trailing garbage, which is no packed data", err);
    if (s->packing == MP_PACK_GZIP && s->own_fd)
        mp_error_hint(err, "gzip -dc '%.300s' | mpart COMMAND - reads what stands before it",
                      s->path);
    return status;
}

static const char *gzip_flaw(int rc) {
    switch (rc) {
    case ISAL_INVALID_WRAPPER:
        return "not gzip";
    case ISAL_UNSUPPORTED_METHOD:
        return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM:
        return "incorrect checksum or length";
    case ISAL_INVALID_LOOKBACK:
        return "invalid distance too far back";
    default:
        return "invalid compressed data";
    }
}

static mp_status step_gzip(mp_stream *s, uint8_t *out, size_t cap, size_t *n, mp_error *err) {
    struct inflate_state *z = s->gzip;
    if (!s->inside) {
        skip_padding(s);
        if (s->pos == s->len) return MP_OK;
        mp_status status = meet(s, err);
        if (status == MP_OK && s->member_at > 0 && !may_begin(s)) status = garbage(s, err);
        if (status != MP_OK) return status;
        isal_inflate_init(z);
        z->crc_flag = ISAL_GZIP;
        s->inside = true;
    }
    z->next_in = s->in + s->pos;
    z->avail_in = (uint32_t)(s->len - s->pos);
    z->next_out = out;
    z->avail_out = (uint32_t)cap;
    int rc = isal_inflate(z);
    s->pos = s->len - z->avail_in;
    *n = cap - z->avail_out;
    s->inside = z->block_state != ISAL_BLOCK_FINISH;
    s->pending = z->avail_out == 0 && s->inside;
    if (rc == ISAL_INVALID_WRAPPER && s->member_at > 0) return garbage(s, err);
    return rc == ISAL_DECOMP_OK || rc == ISAL_END_INPUT ? MP_OK : corrupt(s, gzip_flaw(rc), err);
}

static mp_status step_zstd(mp_stream *s, uint8_t *out, size_t cap, size_t *n, mp_error *err) {
    mp_status status = s->inside ? MP_OK : meet(s, err);
    if (status == MP_OK && !s->inside && s->member_at > 0 && !may_begin(s))
        status = garbage(s, err);
    if (status != MP_OK) return status;
    ZSTD_inBuffer in = {s->in, s->len, s->pos};
    ZSTD_outBuffer to = {out, cap, 0};
    size_t rc = ZSTD_decompressStream(s->zstd, &to, &in);
    s->pos = in.pos;
    *n = to.pos;
    s->pending = to.pos == cap && rc != 0;
    if (ZSTD_isError(rc)) return corrupt(s, ZSTD_getErrorName(rc), err);
    s->inside = rc != 0;
    return MP_OK;
}

/* More of the file; *stop: there is none, now or at all. */
static mp_status refill(mp_stream *s, bool *later, bool *stop, mp_error *err) {
    mp_status status = fill(s, later, err);
    *stop = status != MP_OK || *later || s->at_end;
    if (status != MP_OK || !s->at_end) return status;
    if (!s->inside) return meet(s, err);
    return corrupt_at(s, mp_stream_consumed(s), "the data is cut off here", err);
}

static mp_status read_packed(mp_stream *s, uint8_t *out, size_t cap, size_t *n, bool *later,
                             bool *end, mp_error *err) {
    bool stop = false;
    while (*n < cap && !stop) {
        size_t made = 0, room = cap - *n < STEP_BYTES ? cap - *n : STEP_BYTES;
        mp_status status = MP_OK;
        if (s->pos == s->len && !s->pending) status = refill(s, later, &stop, err);
        if (status != MP_OK) return status;
        if (stop) break;
        s->pending = false;
        status = s->packing == MP_PACK_GZIP ? step_gzip(s, out + *n, room, &made, err)
                                            : step_zstd(s, out + *n, room, &made, err);
        *n += made;
        s->plain += (int64_t)made;
        if (status != MP_OK) return status;
        if (s->expects.packed >= 0 && s->plain > s->expects.plain) return not_met(s, err);
    }
    if (*n > 0) *later = false;
    *end = *n == 0 && !*later;
    return MP_OK;
}

mp_status mp_stream_read(mp_stream *s, uint8_t *out, size_t cap, size_t *n, bool *later, bool *end,
                         mp_error *err) {
    *n = 0;
    *later = *end = false;
    if (cap == 0) return MP_OK;
    if (!s->sniffed) {
        mp_status status = sniff(s, later, err);
        if (status != MP_OK || !s->sniffed) return status;
    }
    if (s->packing != MP_PACK_NONE) return read_packed(s, out, cap, n, later, end, err);
    if (s->pos < s->len) {
        *n = s->len - s->pos < cap ? s->len - s->pos : cap;
        memcpy(out, s->in + s->pos, *n);
        s->pos += *n;
        return MP_OK;
    }
    s->pos = s->len = 0;
    mp_status status = take(s, out, cap, n, later, err);
    *end = status == MP_OK && s->at_end;
    return status;
}
