/* order_pack.c - see order_pack.h.
 * Invariant: a unit is open on its owner until all its bytes are here, then it waits in the queue
 * of full ones, then it is a piece of p->order, which counts units as rows. */
#include "run/order/order_pack.h"

#include "io/output/output_pack.h"
#include "run/flow.h"

/* A gzip block is too little to be worth a place of its own. */
enum { GZIP_BLOCKS = 4, UNITS_AHEAD = 2 };

typedef struct unit unit;
struct unit {
    unit *next;
    int64_t no;
    int64_t len, done; /* bytes that are here, of them packed */
    mp_buf packed;
    uint8_t plain[];
};

struct mp_order_pack {
    mp_comm *c;
    mp_mem *mem;
    mp_packer *packer;
    mp_order *order;
    uint32_t pass;
    bool failed;
    mp_error error; /* the first: a flow that is all but over does not report it any more */
    int64_t block_bytes, unit_bytes;
    int64_t total_bytes; /* of all text, -1: not known yet */
    unit *open;
    unit *full, **full_end;
    int64_t full_bytes;
};

/* The last bytes of a message with a part of a unit. */
typedef struct {
    uint32_t pass, unused;
    int64_t offset;
} letter;

int64_t mp_order_pack_unit(const mp_order_pack *p) {
    return p->unit_bytes;
}

static mp_status keep(mp_order_pack *p, mp_status s, const mp_error *mine, mp_error *err) {
    if (s == MP_OK) return MP_OK;
    if (!p->failed) p->error = *mine;
    p->failed = true;
    if (err) *err = *mine;
    return s;
}

static void free_unit(mp_order_pack *p, unit *u) {
    mp_buf_release(&u->packed);
    mp_mem_free(p->mem, u);
}

static unit **find_unit(mp_order_pack *p, int64_t no) {
    unit **at = &p->open;
    while (*at && (*at)->no != no)
        at = &(*at)->next;
    return at;
}

static unit *new_unit(mp_order_pack *p, int64_t no) {
    unit *u = mp_mem_alloc(p->mem, sizeof *u + (size_t)p->unit_bytes);
    if (!u) return NULL;
    u->next = NULL;
    u->no = no;
    u->len = u->done = 0;
    mp_buf_init(&u->packed, p->mem);
    return u;
}

static int64_t length_of(const mp_order_pack *p, int64_t no) {
    int64_t rest = p->total_bytes - no * p->unit_bytes;
    return p->total_bytes < 0 || rest > p->unit_bytes ? p->unit_bytes : rest;
}

/* Queues a unit that has become complete. */
static void check_full(mp_order_pack *p, unit **at) {
    unit *u = *at;
    if (u->len < length_of(p, u->no)) return;
    *at = u->next;
    u->next = NULL;
    *p->full_end = u;
    p->full_end = &u->next;
    p->full_bytes += u->len;
}

/* A part of a unit of ours. */
static mp_status put(mp_order_pack *p, int64_t offset, const uint8_t *text, size_t n,
                     mp_error *err) {
    unit **at = find_unit(p, offset / p->unit_bytes);
    if (!*at) *at = new_unit(p, offset / p->unit_bytes);
    if (!*at) return mp_mem_error(p->mem, (size_t)p->unit_bytes, err);
    memcpy((*at)->plain + offset % p->unit_bytes, text, n);
    (*at)->len += (int64_t)n;
    check_full(p, at);
    return MP_OK;
}

static mp_status send(mp_order_pack *p, int owner, int64_t offset, const uint8_t *text, size_t n,
                      mp_error *err) {
    const letter l = {p->pass, 0, offset};
    mp_buf b;
    mp_buf_init(&b, p->mem);
    (void)!mp_buf_reserve(&b, n + sizeof l);
    mp_buf_put(&b, text, n);
    mp_buf_put(&b, &l, sizeof l);
    mp_status s = mp_buf_check(&b, err);
    if (s == MP_OK) s = mp_comm_send_buf(p->c, owner, MP_TAG_FRAGMENT, &b, false, err);
    mp_buf_release(&b);
    return s;
}

static mp_status on_fragment(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_order_pack *p = ctx;
    letter l = {.pass = p->pass, .offset = -1};
    (void)src;
    size_t n = len > sizeof l ? len - sizeof l : 0;
    if (n > 0) memcpy(&l, bytes + n, sizeof l);
    if (l.pass != p->pass || p->failed) return MP_OK;
    if (l.offset < 0 || n > (size_t)(p->unit_bytes - l.offset % p->unit_bytes))
        return mp_error_set(err, MP_FAILED, "the packed output is out of step",
                            "a part of a unit that passes its end");
    mp_error mine = MP_ERROR_INIT;
    return keep(p, put(p, l.offset, bytes, n, &mine), &mine, err);
}

mp_status mp_order_pack_take(mp_order_pack *p, int64_t offset, int owner, const uint8_t *text,
                             size_t n, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status s = MP_OK;
    while (n > 0 && s == MP_OK) {
        size_t room = (size_t)(p->unit_bytes - offset % p->unit_bytes);
        size_t m = n < room ? n : room;
        s = owner == mp_comm_rank(p->c) ? put(p, offset, text, m, &mine)
                                        : send(p, owner, offset, text, m, &mine);
        offset += (int64_t)m;
        text += m;
        n -= m;
        owner = mp_comm_rank(p->c);
    }
    return keep(p, s, &mine, err);
}

/* The next block of the first full unit; behind its last one the unit gets in line. */
static mp_status pack_block(mp_order_pack *p, mp_error *err) {
    unit *u = p->full;
    int64_t n = u->len - u->done < p->block_bytes ? u->len - u->done : p->block_bytes;
    mp_status s = mp_packer_put(p->packer, u->plain + u->done, (size_t)n, &u->packed, err);
    u->done += n;
    if (s != MP_OK || u->done < u->len) return s;
    p->full = u->next;
    if (!p->full) p->full_end = &p->full;
    p->full_bytes -= u->len;
    s = mp_order_submit(p->order, u->no, &u->packed, 1, NULL, err);
    free_unit(p, u);
    return s;
}

mp_status mp_order_pack_push(mp_order_pack *p, bool *did, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status s = MP_OK;
    if (p->failed) return MP_OK;
    if (p->full) {
        *did = true;
        s = pack_block(p, &mine);
    }
    if (s == MP_OK) s = mp_order_push(p->order, did, &mine);
    return keep(p, s, &mine, err);
}

bool mp_order_pack_busy(const mp_order_pack *p) {
    return p->full_bytes > UNITS_AHEAD * p->unit_bytes || mp_order_busy(p->order);
}

int64_t mp_order_pack_bytes(const mp_order_pack *p) {
    return mp_order_bytes(p->order);
}

bool mp_order_pack_closed(const mp_order_pack *p) {
    return mp_order_closed(p->order);
}

mp_status mp_order_pack_new(mp_comm *c, const mp_order_args *args, mp_order_pack **out,
                            mp_error *err) {
    mp_order_pack *p = mp_mem_calloc(args->mem, 1, sizeof *p);
    if (!p) return mp_mem_error(args->mem, sizeof *p, err);
    p->c = c;
    p->mem = args->mem;
    p->pass = args->pass;
    mp_error_init(&p->error);
    p->block_bytes = (int64_t)mp_packer_block_bytes(args->packing);
    p->unit_bytes = args->packing == MP_PACK_GZIP ? GZIP_BLOCKS * p->block_bytes : p->block_bytes;
    p->total_bytes = -1;
    p->full_end = &p->full;
    mp_order_args packed = *args;
    packed.packing = MP_PACK_NONE;
    packed.tag = MP_TAG_PACKED;
    packed.start_offset = packed.skip_rows = 0;
    packed.limit_rows = -1;
    mp_status s = mp_packer_new(args->packing, p->mem, &p->packer, err);
    if (s == MP_OK) s = mp_order_new(c, &packed, &p->order, err);
    mp_comm_listen(c, MP_TAG_FRAGMENT, on_fragment, p);
    if (s != MP_OK)
        mp_order_pack_free(&p);
    else
        *out = p;
    return s;
}

static void free_units(mp_order_pack *p, unit *u) {
    while (u) {
        unit *next = u->next;
        free_unit(p, u);
        u = next;
    }
}

void mp_order_pack_free(mp_order_pack **p) {
    if (!*p) return;
    mp_comm_listen((*p)->c, MP_TAG_FRAGMENT, NULL, NULL);
    free_units(*p, (*p)->open);
    free_units(*p, (*p)->full);
    mp_order_free(&(*p)->order);
    mp_packer_free(&(*p)->packer);
    mp_mem_free((*p)->mem, *p);
    *p = NULL;
}

/* ---- finish ---- */

static int64_t n_units(const mp_order_pack *p) {
    return p->total_bytes / p->unit_bytes + (p->total_bytes % p->unit_bytes > 0);
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    return mp_order_pack_push(ctx, did, err);
}

/* Rank 0 waits for all units and for the end: another rank may be quiet before its last message is
 * here. */
static bool quiet(void *ctx) {
    const mp_order_pack *p = ctx;
    if (p->open || p->full || !mp_order_quiet(p->order)) return false;
    return mp_comm_rank(p->c) != 0 || mp_order_closed(p->order) ||
           mp_order_rows(p->order) == n_units(p) + 1;
}

/* The piece behind the last unit. */
static mp_status submit_end(mp_order_pack *p, mp_error *err) {
    mp_buf end;
    mp_buf_init(&end, p->mem);
    mp_status s = mp_packer_end(p->packer, p->total_bytes == 0, &end, err);
    if (s == MP_OK) s = mp_order_submit(p->order, n_units(p), &end, 1, NULL, err);
    mp_buf_release(&end);
    return s;
}

mp_status mp_order_pack_finish(mp_order_pack *p, int64_t total_bytes, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool head = mp_comm_rank(p->c) == 0;
    if (!head) total_bytes = 0;
    mp_status s = mp_comm_allreduce(p->c, &total_bytes, 1, MP_MAX, err);
    if (s != MP_OK) return s;
    p->total_bytes = total_bytes;
    unit **last = find_unit(p, total_bytes / p->unit_bytes);
    if (*last) check_full(p, last);
    s = mp_order_failure(p->order, &mine);
    if (p->failed) {
        mine = p->error;
        s = (mp_status)mine.status;
    }
    if (head && s == MP_OK) s = submit_end(p, &mine);
    s = mp_comm_agree_on(p->c, s, &mine, err);
    if (s != MP_OK) return s;
    mp_flow flow = {.name = "output", .ctx = p, .mem = p->mem, .push = push, .quiet = quiet};
    mp_flow_result result;
    return mp_flow_execute(p->c, &flow, &result, err);
}
