/* h5_in.c - small things that all parts of the inspector use: lists, texts, errors, paths. */
#include "io/h5/h5_in.h"

#include <stdarg.h>

void *mp_h5_take(mp_h5_in *in, size_t n, size_t size) {
    void *p = n <= SIZE_MAX / 2 / size ? mp_arena_alloc(in->arena, n * size + 1, 16) : NULL;
    if (p)
        memset(p, 0, n * size + 1);
    else
        (void)!mp_mem_error(in->arena->mem, n * size, in->err);
    return p;
}

void *mp_h5_list_add(mp_h5_in *in, mp_h5_list *l) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        void *grown = mp_h5_take(in, cap, l->size);
        if (!grown) return NULL;
        if (l->n) memcpy(grown, l->items, l->n * l->size);
        l->items = grown;
        l->cap = cap;
    }
    void *item = (char *)l->items + l->n++ * l->size;
    memset(item, 0, l->size);
    return item;
}

char *mp_h5_text(mp_h5_in *in, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *text = n >= 0 ? mp_h5_take(in, (size_t)n + 1, 1) : NULL;
    if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

mp_status mp_h5_broken(mp_h5_in *in, const char *path, const char *what) {
    if (in->err->status) return (mp_status)in->err->status;
    if (path)
        mp_error_set(in->err, MP_DATA, "broken HDF5 file", "%s: %s", path, what);
    else
        mp_error_set(in->err, MP_DATA, "broken HDF5 file", "%s", what);
    mp_error_file(in->err, in->path);
    return MP_DATA;
}

const char *mp_h5_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

const char *mp_h5_join(mp_h5_in *in, const char *folder, const char *name) {
    return mp_h5_text(in, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
}
