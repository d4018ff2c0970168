/* map_dict.h - what the map_dict*.c files share. */
#ifndef MP_RUN_MAP_DICT_H
#define MP_RUN_MAP_DICT_H

#include "run/map/map_priv.h"
#include "run/resp/resp_server.h"

typedef struct mp_map_dict {
    mp_mem mem;    /* of what travels and what clients send; the table counts for itself */
    int64_t share; /* of --memory */
    mp_dict *dict;
    mp_resp_server *server;
    int64_t event_ns, gap_ns; /* the last one, and the mean time between them */
    int64_t kept_ns;          /* for --resume, or opened */
    bool opened;              /* on every rank */
    bool filled;              /* with what it begins with */
    char variable[128];
} mp_map_dict;

/* map_dict_in.c: puts what --dict-in has. Collective. MP_DATA: it has no columns key and value, or a line that is
 * none; MP_IO. */
mp_status mp_map_dict_read(mp_map_job *j, mp_error *err);

/* map_dict_keep.c. Collective. At a quiet point: the dictionary into the run's folder, for --resume. */
mp_status mp_map_dict_keep(mp_map_job *j, mp_error *err);
/* What the run before has kept; *taken false: nothing. MP_FAILED: its files are gone. */
mp_status mp_map_dict_take_up(mp_map_job *j, bool *taken, mp_error *err);

#endif
