/* bind.c - from the parsed expression to a program for one schema: names, literals, the tree. */
#include "expr/bind.h"
#include "base/hash.h"

bool mp_bind_nomem(mp_binder *b, size_t n_bytes) {
    if (b->status == MP_OK) b->status = mp_mem_error(b->arena->mem, n_bytes, b->err);
    return false;
}

void *mp_bind_alloc(mp_binder *b, size_t n_bytes) {
    void *p = mp_arena_alloc(b->arena, n_bytes ? n_bytes : 1, 16);
    if (!p) mp_bind_nomem(b, n_bytes);
    return p;
}

static bool literal(mp_binder *b, mp_node *nd) {
    (void)b;
    const mp_expr *e = nd->e;
    nd->run = mp_run_literal;
    nd->type = e->type;
    nd->scale = e->scale;
    if (e->type == MP_NULL) {
        nd->value = mp_vec_null_const(MP_NULL);
        return true;
    }
    if (e->type == MP_STRING)
        nd->cell.str = e->name;
    else if (e->type == MP_FLOAT64)
        nd->cell.f64 = e->f64;
    else if (e->type == MP_BOOL)
        nd->cell.b = e->i64 != 0;
    else
        nd->cell.i64 = e->i64;
    nd->value =
        (mp_vec){.c = {.type = e->type, .scale = e->scale, .p = &nd->cell}, .is_const = true};
    return true;
}

static void unknown_column(mp_binder *b, const mp_expr *e) {
    const mp_schema *s = b->schema;
    b->status = mp_ex_error(b->err, e->src, "error", "no column '%s'", e->name.p);
    const char **names = mp_bind_alloc(b, (size_t)s->n * sizeof *names);
    if (!names) return;
    for (int32_t i = 0; i < s->n; i++)
        names[i] = s->fields[i].name;
    mp_error_hint_names(b->err, e->name.p, names, s->n);
}

static bool column(mp_binder *b, mp_node *nd) {
    nd->col = mp_schema_find(b->schema, nd->e->name.p);
    if (nd->col < 0) {
        unknown_column(b, nd->e);
        return false;
    }
    const mp_field *f = &b->schema->fields[nd->col];
    nd->run = mp_run_column;
    nd->type = f->type;
    nd->ts_sep = f->ts_sep;
    nd->scale = f->scale > MP_SCALE_MAX ? MP_SCALE_MAX : f->scale;
    return true;
}

static void sign(mp_binder *b, const mp_node *nd) {
    uint64_t word = (uint64_t)nd->op << 32 | (uint64_t)nd->type << 24 | (uint64_t)nd->scale << 16 |
                    (uint64_t)nd->ts_sep << 8 | nd->can_fail;
    b->prog->signature = mp_hash_mix(b->prog->signature ^ word, 0x9E3779B97F4A7C15u);
}

static mp_node *new_node(mp_binder *b, const mp_expr *e, mp_ex_op op, int32_t n_args) {
    mp_node *nd = mp_bind_alloc(b, sizeof *nd);
    if (!nd) return NULL;
    *nd = (mp_node){.e = e, .op = op, .n_args = n_args, .col = -1};
    nd->args = mp_bind_alloc(b, (size_t)n_args * sizeof(mp_node *));
    return nd->args ? nd : NULL;
}

mp_node *mp_bind_expr(mp_binder *b, const mp_expr *e) {
    if (b->status != MP_OK) return NULL;
    mp_node *nd = new_node(b, e, e->op, e->n_args);
    if (!nd) return NULL;
    for (int32_t i = 0; i < e->n_args; i++) {
        nd->args[i] = mp_bind_expr(b, e->args[i]);
        if (!nd->args[i]) return NULL;
    }
    bool ok = e->op == MP_EX_LITERAL  ? literal(b, nd)
              : e->op == MP_EX_COLUMN ? column(b, nd)
                                      : mp_bind_op(b, nd);
    if (!ok) return NULL;
    for (int32_t i = 0; i < nd->n_args; i++)
        nd->can_fail |= nd->args[i]->can_fail;
    sign(b, nd);
    return nd;
}

mp_status mp_prog_new(const mp_expr *e, const mp_schema *schema, mp_arena *arena, mp_prog **out,
                      mp_error *err) {
    mp_binder b = {.schema = schema, .arena = arena, .err = err};
    b.prog = mp_bind_alloc(&b, sizeof *b.prog);
    if (!b.prog) return b.status;
    *b.prog = (mp_prog){.n_cols = schema->n};
    b.prog->root = mp_bind_expr(&b, e);
    if (b.prog->root) {
        *out = b.prog;
        return MP_OK;
    }
    mp_regex_free_all(&b.prog->regexes);
    return b.status;
}

void mp_prog_free(mp_prog **p) {
    if (!*p) return;
    mp_regex_free_all(&(*p)->regexes);
    *p = NULL;
}

mp_type mp_prog_type(const mp_prog *p) {
    return p->root->type;
}

uint8_t mp_prog_ts_sep(const mp_prog *p) {
    return p->root->ts_sep;
}

uint8_t mp_prog_scale(const mp_prog *p) {
    return p->root->type == MP_DECIMAL ? p->root->scale : 0;
}

uint64_t mp_prog_signature(const mp_prog *p) {
    return p->signature;
}

mp_status mp_prog_need_bool(const mp_prog *p, mp_error *err) {
    if (p->root->type == MP_BOOL || p->root->type == MP_NULL) return MP_OK;
    mp_binder b = {.err = err};
    mp_bind_type_error(&b, p->root, "a condition");
    return b.status;
}
