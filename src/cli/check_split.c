/* check_split.c - split and merge: which of the ways to split is asked for, with what belongs to it.
 * Invariant: exactly one way; what belongs to another one is an error, not ignored. */
#include "cli/check_split.h"

#include "cli/command_map.h"

#include <string.h>

#include "io/output/output.h"

static mp_status wrong(mp_error *err, const char *why, const char *hint) {
    mp_error_set(err, MP_USAGE, NULL, "%s", why);
    if (hint) mp_error_hint(err, "%s", hint);
    return MP_USAGE;
}

static mp_status choose(mp_invocation *inv, mp_error *err) {
    mp_split_spec *s = &inv->split;
    const int n_ways = (inv->split_by.n_by > 0) + (inv->split_by.n_range > 0) + (s->n_rows > 0) +
                       (inv->split_by.n_each > 0);
    if (n_ways != 1)
        return wrong(err,
                     n_ways ? "more than one way to split: --by, --range, --rows, --each"
                            : "split how? --by KEYS, --range KEY, --rows N or --each KEYS",
                     n_ways ? "leave one of them" : "mpart split data.csv -o shards --by id");
    if (inv->split_by.n_by > 0) {
        s->method = MP_SPLIT_BY;
        s->n_keys = inv->split_by.n_by;
        s->keys = inv->split_by.by;
    } else if (inv->split_by.n_range > 0) {
        s->method = MP_SPLIT_RANGE;
        s->n_keys = inv->split_by.n_range;
        s->keys = inv->split_by.range;
    } else if (inv->split_by.n_each > 0) {
        s->method = MP_SPLIT_EACH;
        s->n_keys = inv->split_by.n_each;
        s->keys = inv->split_by.each;
    } else {
        s->method = MP_SPLIT_ROWS;
    }
    return MP_OK;
}

static mp_status check_keys(const mp_split_spec *s, mp_error *err) {
    for (int i = 0; i < s->n_keys; i++) {
        if (!s->keys[i][0]) return wrong(err, "the name of a key is empty", NULL);
        for (int k = 0; k < i; k++)
            if (strcmp(s->keys[i], s->keys[k]) == 0)
                return mp_error_set(err, MP_USAGE, NULL, "key '%s' is given twice", s->keys[i]);
    }
    if (s->method == MP_SPLIT_RANGE && s->n_keys > 1)
        return wrong(err, "--range takes one column", NULL);
    return MP_OK;
}

static mp_status check_parts(mp_split_spec *s, mp_error *err) {
    bool may = s->method == MP_SPLIT_BY || s->method == MP_SPLIT_RANGE;
    if (s->n_parts > 0 && !may) return wrong(err, "--parts goes with --by or --range", NULL);
    if (s->n_parts > MP_SPLIT_MOST_PARTS)
        return mp_error_set(err, MP_USAGE, NULL, "option '--parts': at most %d",
                            MP_SPLIT_MOST_PARTS);
    if (s->method == MP_SPLIT_RANGE && s->n_parts == 0)
        return wrong(err, "option '--parts' is missing", "--range KEY --parts N: how many shards?");
    if (s->method == MP_SPLIT_BY && s->n_parts == 0) s->n_parts = MP_SPLIT_PARTS;
    return MP_OK;
}

mp_status mp_check_split(mp_invocation *inv, mp_error *err) {
    mp_split_spec *s = &inv->split;
    mp_status st = mp_check_input(inv, err);
    if (st == MP_OK && !s->folder)
        st = wrong(err, "option '-o' is missing", "-o DIR names the folder of the shards");
    if (st == MP_OK && strcmp(s->folder, "-") == 0)
        st = wrong(err, "split makes a folder: -o - names none", NULL);
    if (st == MP_OK) st = choose(inv, err);
    if (st == MP_OK) st = check_keys(s, err);
    if (st == MP_OK) st = check_parts(s, err);
    s->format = inv->split_by.format < 0 ? MP_FORMAT_CSV : (mp_text_format)inv->split_by.format;
    s->packing = (mp_packing)inv->split_by.packing;
    if (st == MP_OK && s->packing != MP_PACK_NONE && s->format == MP_FORMAT_H5)
        st = wrong(err, "--compress is for shards of text, not for HDF5",
                   "its chunks are packed anyway");
    return st ? st : mp_check_resume_command(inv, s->resume, &s->resume_command, err);
}

mp_status mp_check_merge(mp_invocation *inv, mp_error *err) {
    const mp_output_spec *o = &inv->spec.output;
    mp_status st = mp_check_query(inv, err);
    if (st != MP_OK || !inv->is_virtual) return st;
    if (inv->spec.query.sort)
        return wrong(err, "--virtual keeps the order of the files: no --sort", NULL);
    if (!o->path || o->format != MP_FORMAT_H5)
        return wrong(err, "--virtual writes HDF5", "name the output: -o all.h5");
    return MP_OK;
}
