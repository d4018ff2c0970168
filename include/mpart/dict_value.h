/* dict_value.h - values of the shared dictionary, and what its calls return: for ranks (dict.h) and plug-ins
 * (plugin.h). */
#ifndef MPART_DICT_VALUE_H
#define MPART_DICT_VALUE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    MPART_DICT_NONE, /* there is no such key */
    MPART_DICT_INT,
    MPART_DICT_FLOAT,
    MPART_DICT_BYTES,
    MPART_DICT_HASH, /* made by other clients (RESP); only reported as a type */
    MPART_DICT_SET
} mpart_dict_type;

typedef struct {
    mpart_dict_type type;
    int64_t i; /* MPART_DICT_INT */
    double f;  /* MPART_DICT_FLOAT */
    const void
        *bytes; /* MPART_DICT_BYTES; of a result: valid until the next call on the dictionary */
    size_t n;
} mpart_dict_value;

static inline mpart_dict_value mpart_dict_int(int64_t i) {
    mpart_dict_value v = {MPART_DICT_INT, i, 0, NULL, 0};
    return v;
}
static inline mpart_dict_value mpart_dict_float(double f) {
    mpart_dict_value v = {MPART_DICT_FLOAT, 0, f, NULL, 0};
    return v;
}
static inline mpart_dict_value mpart_dict_bytes(const void *p, size_t n) {
    mpart_dict_value v = {MPART_DICT_BYTES, 0, 0, p, n};
    return v;
}

/* What every call returns. */
typedef enum {
    MPART_DICT_OK,
    MPART_DICT_BAD_VALUE, /* wrong type, not a number, overflow */
    MPART_DICT_NO_MEMORY, /* the owner's limit, or this rank's; the table is as it was */
    MPART_DICT_TOO_LARGE, /* a key or value above 512 MiB */
    MPART_DICT_PEER_FAILED, /* a rank has closed the dictionary as failed: leave by mpart_dict_close */
    MPART_DICT_FAILED       /* MPI failed, a rank died, or a call that is not allowed here */
} mpart_dict_code;

#ifdef __cplusplus
}
#endif

#endif
