#include "io/origin_group.h"

ae_status ae_origin_group_write(ae_h5 *file, const char *group, const ae_origin *origin) {
    ae_status status = ae_h5_set_text(file, group, "init_from", origin->init_from);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "init_hash", origin->parameters_hash);
    return status;
}

ae_status ae_origin_group_read(ae_origin *origin, ae_h5 *file, const char *group) {
    *origin = (ae_origin){"", ""};
    if (!ae_h5_has_attribute(file, group, "init_hash")) return AE_OK;
    ae_status status =
        ae_h5_get_text(file, group, "init_from", origin->init_from, sizeof origin->init_from);
    if (status == AE_OK)
        status = ae_h5_get_text(file, group, "init_hash", origin->parameters_hash,
                                sizeof origin->parameters_hash);
    return status;
}
