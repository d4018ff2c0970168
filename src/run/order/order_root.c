/* order_root.c - the ordered sink on rank 0: every piece gets its place in order.
 * Invariant: pieces below next have their place (file) or are written (stream); in a stream at most
 * AHEAD pieces from next on were asked for, so what waits here is small. Once enough, every report
 * is answered with DROP, so that no rank waits for pieces that nobody makes any more. */
#include "run/order/order_state.h"

enum { AHEAD = 3 };

bool mp_order_enough(const mp_order *o) {
    return o->closed || o->rows_left == 0;
}

static mp_status wrong(int64_t piece, const char *why, mp_error *err) {
    return mp_error_set(err, MP_FAILED, "the ordered output is out of step", "piece %lld: %s",
                        (long long)piece, why);
}

static mp_piece *at(mp_order *o, int64_t piece) {
    return &o->ring[piece & (o->cap - 1)];
}

/* The entry of a piece from next on; grows the ring. NULL: refused. */
static mp_piece *entry(mp_order *o, int64_t piece) {
    if (piece - o->next < o->cap) return at(o, piece);
    int64_t cap = o->cap ? o->cap : 64;
    if (piece - o->next > INT32_MAX) return NULL;
    while (cap <= piece - o->next)
        cap *= 2;
    mp_piece *ring = mp_mem_calloc(o->args.mem, (size_t)cap, sizeof *ring);
    if (!ring) return NULL;
    for (int64_t p = o->next; p < o->next + o->cap; p++)
        ring[p & (cap - 1)] = *at(o, p);
    mp_mem_free(o->args.mem, o->ring);
    o->ring = ring;
    o->cap = cap;
    return at(o, piece);
}

void mp_order_root_release(mp_order *o) {
    for (int64_t i = 0; i < o->cap; i++)
        if (o->ring[i].text.data) mp_buf_release(&o->ring[i].text);
    mp_mem_free(o->args.mem, o->ring);
    o->ring = NULL;
    o->cap = 0;
}

/* The piece has had its last answer and, in a stream, is written. */
static void finish(mp_order *o, mp_piece *p) {
    if (p->text.data) mp_buf_release(&p->text);
    p->state = MP_PIECE_DONE;
    o->n_pending--;
}

static void step_over(mp_order *o) {
    at(o, o->next)->state = MP_PIECE_UNKNOWN;
    o->next++;
    if (o->asked < o->next) o->asked = o->next;
}

static mp_status drop(mp_order *o, int64_t piece, mp_error *err) {
    mp_piece *p = at(o, piece);
    int src = p->src;
    finish(o, p);
    return mp_order_tell(o, src, MP_LETTER_DROP, piece, 0, 0, 0, err);
}

/* No more rows are wanted: everything that was not asked for is let go. */
static mp_status drop_rest(mp_order *o, mp_error *err) {
    mp_status s = MP_OK;
    for (int64_t p = o->next; p <= o->last && s == MP_OK; p++)
        if (at(o, p)->state == MP_PIECE_REPORTED) s = drop(o, p, err);
    return s;
}

/* Which rows of the piece are wanted: *take behind the first *skip. Rows are spent here, so once
 * per piece, in order. */
static void spend_rows(mp_order *o, const mp_piece *p, int64_t *skip, int64_t *take) {
    *skip = p->rows < o->skip_left ? p->rows : o->skip_left;
    o->skip_left -= *skip;
    *take = p->rows - *skip;
    if (o->rows_left < 0) return;
    if (*take > o->rows_left) *take = o->rows_left;
    o->rows_left -= *take;
}

/* Who packs the unit that holds offset, where text of src begins that ends at o->offset: who has
 * the unit's first byte. Notes it for the unit at the end. */
static int owner_at(mp_order *o, int src, int64_t offset) {
    int64_t unit = mp_order_pack_unit(o->pack);
    int owner = offset % unit ? o->owner : src;
    o->owner = offset / unit == o->offset / unit ? owner : src;
    return owner;
}

static mp_status place(mp_order *o, int64_t piece, int64_t bytes, mp_error *err) {
    mp_piece *p = at(o, piece);
    int64_t offset = o->offset;
    int src = p->src, owner = src;
    if (__builtin_add_overflow(o->offset, bytes, &o->offset))
        return wrong(piece, "the file is too long", err);
    if (o->pack) owner = owner_at(o, src, offset);
    o->n_bytes += bytes;
    finish(o, p);
    return mp_order_tell(o, src, MP_LETTER_WRITE, piece, offset, owner, 0, err);
}

/* The next piece of a file: its place, or first the question how long the wanted rows are. */
static mp_status answer_file(mp_order *o, mp_error *err) {
    int64_t skip, take, piece = o->next;
    mp_piece *p = at(o, piece);
    spend_rows(o, p, &skip, &take);
    o->n_rows += take;
    if (take == p->rows) return p->bytes ? place(o, piece, p->bytes, err) : drop(o, piece, err);
    if (take == 0) return drop(o, piece, err);
    if (!p->has_ends) return wrong(piece, "the ends of its rows are not known", err);
    p->state = MP_PIECE_TRIMMED;
    return mp_order_tell(o, p->src, MP_LETTER_TRIM, piece, 0, skip, take, err);
}

static mp_status answer_stream(mp_order *o, int64_t piece, mp_error *err) {
    mp_piece *p = at(o, piece);
    int64_t skip, take;
    spend_rows(o, p, &skip, &take);
    o->n_rows += take;
    bool all = take == p->rows;
    if (p->bytes == 0 || (!all && take == 0)) return drop(o, piece, err);
    if (!all && !p->has_ends) return wrong(piece, "the ends of its rows are not known", err);
    p->state = MP_PIECE_ASKED;
    return mp_order_tell(o, p->src, MP_LETTER_SEND, piece, 0, all ? 0 : skip, all ? -1 : take, err);
}

static mp_status advance_file(mp_order *o, mp_error *err) {
    mp_status s = MP_OK;
    while (s == MP_OK && o->next <= o->last) {
        mp_piece *p = at(o, o->next);
        if (p->state == MP_PIECE_REPORTED && !mp_order_enough(o)) s = answer_file(o, err);
        if (p->state != MP_PIECE_DONE) break;
        step_over(o);
    }
    return s;
}

/* Writes; a failure and a closed end both mean that nothing more is wanted, the first with an
 * error. */
static mp_status write_stream(mp_order *o, const void *text, size_t len, mp_error *err) {
    if (o->closed || len == 0) return MP_OK;
    mp_error why = MP_ERROR_INIT;
    mp_status s = o->args.take ? o->args.take(o->args.ctx, text, len, &why)
                               : mp_stdout_write(o->args.stream_fd, text, len, &o->closed, &why);
    if (s != MP_OK) {
        o->failed = o->closed = true;
        if (o->args.take) o->error = why;
        mp_error_set(&o->error, s, why.what, "%s", why.why);
        mp_error_file(&o->error, o->args.stream_name ? o->args.stream_name : why.file);
        if (err) *err = o->error;
    }
    if (s == MP_OK && !o->closed) o->n_bytes += (int64_t)len;
    return s;
}

static mp_status advance_stream(mp_order *o, mp_error *err) {
    mp_status s = MP_OK;
    while (s == MP_OK) {
        while (s == MP_OK && o->asked <= o->last && o->asked < o->next + AHEAD &&
               !mp_order_enough(o) && at(o, o->asked)->state == MP_PIECE_REPORTED)
            s = answer_stream(o, o->asked++, err);
        if (s != MP_OK || o->next > o->last) break;
        mp_piece *p = at(o, o->next);
        if (p->state == MP_PIECE_HERE) {
            s = write_stream(o, p->text.data, p->text.len, err);
            finish(o, p);
        }
        if (p->state != MP_PIECE_DONE) break;
        step_over(o);
    }
    return s;
}

static mp_status advance(mp_order *o, mp_error *err) {
    mp_status s = mp_order_places(o) ? advance_file(o, err) : advance_stream(o, err);
    mp_status dropped = MP_OK;
    if (mp_order_enough(o)) dropped = drop_rest(o, s == MP_OK ? err : NULL);
    return s != MP_OK ? s : dropped;
}

mp_status mp_order_root_close(mp_order *o, mp_error *err) {
    o->closed = true;
    return advance(o, err);
}

static mp_status on_report(mp_order *o, int src, const mp_order_letter *l, mp_error *err) {
    if (l->piece < o->next || l->a < 0 || l->b < 0) return wrong(l->piece, "a false report", err);
    mp_piece *p = entry(o, l->piece);
    if (!p) return mp_mem_error(o->args.mem, (size_t)o->cap * 2 * sizeof *p, err);
    if (p->state != MP_PIECE_UNKNOWN) return wrong(l->piece, "reported twice", err);
    *p = (mp_piece){MP_PIECE_REPORTED, l->c != 0, src, l->a, l->b, {0}};
    mp_buf_init(&p->text, o->args.mem);
    if (l->piece > o->last) o->last = l->piece;
    o->n_pending++;
    return MP_OK;
}

static mp_status on_text(mp_order *o, const mp_order_letter *l, const uint8_t *text, size_t len,
                         mp_error *err) {
    if (l->piece < o->next || l->piece > o->last || at(o, l->piece)->state != MP_PIECE_ASKED)
        return wrong(l->piece, "a text that was not asked for", err);
    mp_piece *p = at(o, l->piece);
    mp_status s = MP_OK;
    bool last_part = l->a == 0;
    if (l->piece == o->next) {
        /* parts that came before it was this piece's turn */
        s = write_stream(o, p->text.data, p->text.len, err);
        mp_buf_clear(&p->text);
        if (s == MP_OK) s = write_stream(o, text, len, err);
        if (last_part) finish(o, p);
        return s;
    }
    if (!o->closed) mp_buf_put(&p->text, text, len);
    s = mp_buf_check(&p->text, err);
    if (s != MP_OK) o->failed = o->closed = true;
    if (last_part) p->state = MP_PIECE_HERE;
    return s;
}

mp_status mp_order_root_letter(mp_order *o, int src, const mp_order_letter *l, const uint8_t *text,
                               size_t len, mp_error *err) {
    mp_status s = MP_OK;
    if (l->kind == MP_LETTER_REPORT) {
        s = on_report(o, src, l, err);
    } else if (l->kind == MP_LETTER_TEXT) {
        s = on_text(o, l, text, len, err);
    } else if (l->piece != o->next || o->next > o->last ||
               at(o, o->next)->state != MP_PIECE_TRIMMED || l->a < 0) {
        s = wrong(l->piece, "a size that was not asked for", err);
    } else {
        s = place(o, l->piece, l->a, err);
    }
    mp_status went = advance(o, s == MP_OK ? err : NULL);
    return s != MP_OK ? s : went;
}
