/* plugin_load.c - the shared object of a plug-in, and its arguments. See plugin_call.h. */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

#include "op/plugin/plugin_call.h"

static mp_status not_a_plugin(mp_error *err, const char *path, const char *why) {
    mp_error_set(err, MP_USAGE, "cannot use the plug-in", "%s", why);
    mp_error_file(err, path);
    return MP_USAGE;
}

/* A name without a slash would be looked for among the libraries. */
static const char *as_file(const char *path, mp_arena *arena) {
    size_t n = strlen(path);
    if (strchr(path, '/')) return path;
    char *file = mp_arena_alloc(arena, n + 3, 1);
    if (!file) return NULL;
    memcpy(file, "./", 2);
    return memcpy(file + 2, path, n + 1) ? file : NULL;
}

/* Tables of a later version of the same ABI are longer; none is shorter than the first one's. */
static mp_status check_table(const struct mpart_plugin *t, const char *path, mp_error *err) {
    if (!t) {
        not_a_plugin(err, path, "it does not work with this version of mpart");
        mp_error_hint(err, "build it against the plugin.h of this mpart");
        return MP_USAGE;
    }
    if (t->abi != MPART_PLUGIN_ABI) {
        mp_error_set(err, MP_USAGE, "cannot use the plug-in",
                     "it has version %u of the plug-in ABI, this mpart %u", t->abi,
                     MPART_PLUGIN_ABI);
        mp_error_file(err, path);
        mp_error_hint(err, "build it against the plugin.h of this mpart");
        return MP_USAGE;
    }
    if (t->size < sizeof *t) return not_a_plugin(err, path, "its table of functions is too short");
    if (!t->open || !t->process) return not_a_plugin(err, path, "it lacks open or process");
    return MP_OK;
}

mp_status mp_plugin_load(const char *path, mp_arena *arena, mp_plugin *out, mp_error *err) {
    struct stat st;
    *out = (mp_plugin){.path = path};
    const char *file = as_file(path, arena);
    if (!file) return mp_mem_error(arena->mem, strlen(path) + 3, err);
    if (stat(file, &st) != 0) return mp_error_errno(err, errno, "cannot open the plug-in", path);
    if (!S_ISREG(st.st_mode)) return not_a_plugin(err, path, "it is not a regular file");
    out->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!out->handle) {
        not_a_plugin(err, path, dlerror());
        return MP_USAGE;
    }
    const struct mpart_plugin *(*entry)(uint32_t) = NULL;
    void *symbol = dlsym(out->handle, "mpart_plugin_entry");
    memcpy(&entry, &symbol, sizeof entry);
    mp_status got;
    if (entry) {
        out->table = entry(MPART_PLUGIN_ABI);
        got = check_table(out->table, path, err);
    } else {
        got = not_a_plugin(err, path, "it has no function mpart_plugin_entry");
        mp_error_hint(err, "a plug-in exports that function, see mpart/plugin.h");
    }
    if (got != MP_OK) mp_plugin_unload(out);
    return got;
}

void mp_plugin_unload(mp_plugin *p) {
    if (p->handle) dlclose(p->handle);
    *p = (mp_plugin){0};
}

mp_status mp_plugin_args(const char *const *words, int n, mp_arena *arena,
                         const struct mpart_arg **out, mp_error *err) {
    size_t bytes = (size_t)n * sizeof(struct mpart_arg);
    struct mpart_arg *args = mp_arena_alloc(arena, bytes, 8);
    if (!args) return mp_mem_error(arena->mem, bytes, err);
    for (int i = 0; i < n; i++) {
        size_t len = strlen(words[i]) + 1, key = strcspn(words[i], "=");
        char *copy = mp_arena_alloc(arena, len, 1);
        if (!copy) return mp_mem_error(arena->mem, len, err);
        memcpy(copy, words[i], len);
        if (key == 0) {
            mp_error_set(err, MP_USAGE, "bad argument of the plug-in", "'%s' has no name",
                         words[i]);
            mp_error_hint(err, "--arg name=value");
            return MP_USAGE;
        }
        args[i].key = copy;
        args[i].value = copy[key] ? copy + key + 1 : copy + key;
        copy[key] = 0;
    }
    *out = args;
    return MP_OK;
}
