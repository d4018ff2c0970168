/* order.c - the ordered sink on the rank that made a piece.
 * Invariant: held is the list of pieces that have had no last answer, or whose place in the file is
 * known and that are not written yet; held_bytes is the sum of their texts. */
#include "run/order/order_state.h"

#include <stdlib.h>

#include "run/flow.h"

/* A longer text travels in several messages: counts are int, and a copy of it must stay small. */
enum { PART_BYTES = 256 << 20 };

mp_status mp_order_tell(mp_order *o, int dest, mp_letter_kind kind, int64_t piece, int64_t a,
                        int64_t b, int64_t c, mp_error *err) {
    const mp_order_letter l = {(uint32_t)kind, o->args.pass, piece, a, b, c};
    return mp_comm_send(o->c, dest, o->args.tag, &l, sizeof l, err);
}

static void drop_held(mp_order *o, mp_held **at) {
    mp_held *h = *at;
    *at = h->next;
    if (o->held_end == &h->next) o->held_end = at;
    o->held_bytes -= (int64_t)h->text.len;
    mp_buf_release(&h->text);
    mp_buf_release(&h->row_ends);
    mp_mem_free(o->args.mem, h);
}

static mp_held **find_held(mp_order *o, int64_t piece) {
    mp_held **at = &o->held;
    while (*at && (*at)->piece != piece)
        at = &(*at)->next;
    return at;
}

static mp_status out_of_order(int64_t piece, const char *why, mp_error *err) {
    return mp_error_set(err, MP_FAILED, "the ordered output is out of step", "piece %lld: %s",
                        (long long)piece, why);
}

/* Keep n_rows rows behind the first skip. */
static mp_status trim(mp_order *o, mp_held *h, int64_t skip, int64_t n_rows, mp_error *err) {
    int64_t from = 0, to = 0;
    if (skip < 0 || n_rows < 0 || skip > h->n_rows || n_rows > h->n_rows - skip ||
        h->row_ends.len != (size_t)h->n_rows * sizeof to)
        return out_of_order(h->piece, "its rows are not known", err);
    if (skip > 0) memcpy(&from, h->row_ends.data + (size_t)(skip - 1) * sizeof from, sizeof from);
    to = from;
    if (n_rows > 0)
        memcpy(&to, h->row_ends.data + (size_t)(skip + n_rows - 1) * sizeof to, sizeof to);
    if (from < 0 || from > to || to > (int64_t)h->text.len)
        return out_of_order(h->piece, "its rows end outside its text", err);
    size_t len = (size_t)(to - from);
    if (from > 0 && len > 0) memmove(h->text.data, h->text.data + from, len);
    o->held_bytes -= (int64_t)(h->text.len - len);
    h->text.len = len;
    mp_buf_release(&h->row_ends);
    return MP_OK;
}

static mp_status send_text(mp_order *o, mp_held *h, mp_error *err) {
    mp_order_letter l = {MP_LETTER_TEXT, o->args.pass, h->piece, 0, 0, 0};
    size_t at = 0;
    mp_status s = MP_OK;
    while (s == MP_OK && h->text.len - at > PART_BYTES) {
        mp_buf part;
        mp_buf_init(&part, o->args.mem);
        l.a = 1;
        mp_buf_reserve(&part, PART_BYTES + sizeof l);
        mp_buf_put(&part, h->text.data + at, PART_BYTES);
        mp_buf_put(&part, &l, sizeof l);
        s = mp_comm_send_buf(o->c, 0, o->args.tag, &part, false, err);
        mp_buf_release(&part);
        at += PART_BYTES;
    }
    if (s != MP_OK) return s;
    o->held_bytes -= (int64_t)h->text.len;
    if (at > 0) memmove(h->text.data, h->text.data + at, h->text.len - at);
    h->text.len -= at;
    l.a = 0;
    mp_buf_put(&h->text, &l, sizeof l);
    s = mp_comm_send_buf(o->c, 0, o->args.tag, &h->text, false, err);
    if (s != MP_OK) mp_buf_clear(&h->text);
    return s;
}

/* An answer of rank 0 about a piece of ours. */
static mp_status on_answer(mp_order *o, const mp_order_letter *l, mp_error *err) {
    mp_held **at = find_held(o, l->piece), *h = *at;
    mp_status s = MP_OK;
    if (!h) return out_of_order(l->piece, "an answer about a piece that is not here", err);
    switch (l->kind) {
    case MP_LETTER_WRITE:
        h->offset = l->a;
        h->owner = (int)l->b;
        return MP_OK;
    case MP_LETTER_TRIM:
        s = trim(o, h, l->b, l->c, err);
        /* also after a failure: rank 0 waits for this size */
        mp_status told = mp_order_tell(o, 0, MP_LETTER_SIZE, h->piece, (int64_t)h->text.len, 0, 0,
                                       s == MP_OK ? err : NULL);
        return s != MP_OK ? s : told;
    case MP_LETTER_SEND:
        if (l->c >= 0) s = trim(o, h, l->b, l->c, err);
        if (s != MP_OK) {
            o->held_bytes -= (int64_t)h->text.len;
            h->text.len = 0;
        }
        mp_status sent = send_text(o, h, s == MP_OK ? err : NULL);
        drop_held(o, at);
        return s != MP_OK ? s : sent;
    default:
        drop_held(o, at);
        return MP_OK;
    }
}

static mp_status on_message(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_order *o = ctx;
    mp_order_letter l;
    if (len < sizeof l) return out_of_order(-1, "a message is cut off", err);
    len -= sizeof l;
    memcpy(&l, bytes + len, sizeof l);
    if (l.pass != o->args.pass) return MP_OK;
    if (l.kind == MP_LETTER_REPORT || l.kind == MP_LETTER_SIZE || l.kind == MP_LETTER_TEXT) {
        if (mp_comm_rank(o->c) != 0) return out_of_order(l.piece, "a report to a wrong rank", err);
        return mp_order_root_letter(o, src, &l, bytes, len, err);
    }
    return on_answer(o, &l, err);
}

/* What stands before piece 0 is rank 0's. */
static mp_status begin_packed(mp_order *o, mp_error *err) {
    mp_status s = mp_order_pack_new(o->c, &o->args, &o->pack, err);
    if (s != MP_OK || mp_comm_rank(o->c) != 0 || !o->args.head) return s;
    return mp_order_pack_take(o->pack, 0, 0, o->args.head, (size_t)o->args.start_offset, err);
}

mp_status mp_order_new(mp_comm *c, const mp_order_args *args, mp_order **out, mp_error *err) {
    mp_order *o = mp_mem_calloc(args->mem, 1, sizeof *o);
    if (!o) return mp_mem_error(args->mem, sizeof *o, err);
    o->c = c;
    o->args = *args;
    o->held_end = &o->held;
    o->last = -1;
    mp_error_init(&o->error);
    o->skip_left = args->skip_rows > 0 ? args->skip_rows : 0;
    o->rows_left = args->limit_rows;
    o->offset = args->start_offset;
    if (!o->args.tag) o->args.tag = MP_TAG_ORDER;
    mp_comm_listen(c, o->args.tag, on_message, o);
    mp_status s = args->packing ? begin_packed(o, err) : MP_OK;
    if (s != MP_OK)
        mp_order_free(&o);
    else
        *out = o;
    return s;
}

void mp_order_free(mp_order **o) {
    if (!*o) return;
    mp_comm_listen((*o)->c, (*o)->args.tag, NULL, NULL);
    mp_order_pack_free(&(*o)->pack);
    while ((*o)->held)
        drop_held(*o, &(*o)->held);
    mp_order_root_release(*o);
    mp_mem_free((*o)->args.mem, *o);
    *o = NULL;
}

static mp_held *new_held(mp_order *o, int64_t piece, mp_buf *text, int64_t n_rows,
                         mp_buf *row_ends) {
    mp_held *h = mp_mem_alloc(o->args.mem, sizeof *h);
    if (!h) return NULL;
    *h = (mp_held){.piece = piece, .n_rows = n_rows, .offset = -1, .text = *text};
    mp_buf_init(text, text->mem);
    mp_buf_init(&h->row_ends, o->args.mem);
    if (row_ends) {
        h->row_ends = *row_ends;
        mp_buf_init(row_ends, row_ends->mem);
    }
    return h;
}

mp_status mp_order_submit(mp_order *o, int64_t piece, mp_buf *text, int64_t n_rows,
                          mp_buf *row_ends, mp_error *err) {
    mp_status s = mp_buf_check(text, err);
    if (s == MP_OK && row_ends) s = mp_buf_check(row_ends, err);
    if (s != MP_OK) return s;
    /* room for the letter behind the text: once rank 0 has asked, sending cannot be refused */
    if (!mp_order_places(o) && !mp_buf_reserve(text, sizeof(mp_order_letter)))
        return mp_buf_check(text, err);
    mp_held *h = new_held(o, piece, text, n_rows, row_ends);
    if (!h) return mp_mem_error(o->args.mem, sizeof *h, err);
    *o->held_end = h;
    o->held_end = &h->next;
    o->held_bytes += (int64_t)h->text.len;
    bool has_ends = h->row_ends.len > 0 && h->row_ends.len == (size_t)n_rows * sizeof(int64_t);
    return mp_order_tell(o, 0, MP_LETTER_REPORT, piece, (int64_t)h->text.len, n_rows, has_ends,
                         err);
}

static mp_status write_held(mp_order *o, const mp_held *h, mp_error *err) {
    if (o->pack)
        return mp_order_pack_take(o->pack, h->offset, h->owner, h->text.data, h->text.len, err);
    mp_status s = mp_out_write_at(o->args.file, h->offset, h->text.data, h->text.len, err);
    if (s != MP_OK || !o->args.placed) return s;
    return o->args.placed(o->args.ctx, h->offset, h->text.data, h->text.len, err);
}

static mp_status push_pack(mp_order *o, bool *did, mp_error *err) {
    mp_status s = mp_order_pack_push(o->pack, did, err);
    if (s != MP_OK) o->failed = true;
    if (s != MP_OK || o->closed || !mp_order_pack_closed(o->pack)) return s;
    return mp_order_root_close(o, err);
}

mp_status mp_order_push(mp_order *o, bool *did, mp_error *err) {
    mp_held **at = &o->held;
    while (*at) {
        mp_held *h = *at;
        mp_status s = MP_OK;
        if (h->offset < 0) {
            at = &h->next;
            continue;
        }
        if (!o->failed) s = write_held(o, h, err);
        drop_held(o, at);
        if (s != MP_OK) {
            o->failed = true;
            return s;
        }
    }
    return o->pack ? push_pack(o, did, err) : MP_OK;
}

static mp_status push_rest(void *ctx, bool *did, mp_error *err) {
    return mp_order_push(ctx, did, err);
}

static bool is_quiet(void *ctx) {
    return mp_order_quiet(ctx);
}

mp_status mp_order_finish(mp_order *o, mp_error *err) {
    if (!o->pack) return MP_OK;
    /* a flow that was ended early leaves pieces on the way to their unit */
    mp_flow flow = {
        .name = "output", .ctx = o, .mem = o->args.mem, .push = push_rest, .quiet = is_quiet};
    mp_flow_result result;
    mp_status s = mp_flow_execute(o->c, &flow, &result, err);
    return s != MP_OK ? s : mp_order_pack_finish(o->pack, o->offset, err);
}

mp_status mp_order_failure(const mp_order *o, mp_error *err) {
    if (o->error.status != MP_OK && err) *err = o->error;
    return (mp_status)o->error.status;
}

bool mp_order_busy(const mp_order *o) {
    return o->held_bytes > o->args.budget_bytes || (o->pack && mp_order_pack_busy(o->pack));
}

bool mp_order_quiet(const mp_order *o) {
    return !o->held && o->n_pending == 0;
}

int64_t mp_order_bytes(const mp_order *o) {
    return o->pack ? mp_order_pack_bytes(o->pack) : o->n_bytes;
}

int64_t mp_order_rows(const mp_order *o) {
    return o->n_rows;
}

bool mp_order_closed(const mp_order *o) {
    return o->closed;
}
