/* The four types of value that files hold. */
#include "h5/internal.h"

hid_t ae_h5_text_type(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 &&
        (H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

hid_t ae_h5_file_type(ae_h5_type type, hid_t text) {
    switch (type) {
    case AE_H5_INT64:
        return H5T_STD_I64LE;
    case AE_H5_FLOAT:
        return H5T_IEEE_F32LE;
    case AE_H5_DOUBLE:
        return H5T_IEEE_F64LE;
    default:
        return text;
    }
}

bool ae_h5_type_of(hid_t type, ae_h5_type *found) {
    size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        *found = AE_H5_INT64;
        return size == 8 && H5Tget_sign(type) == H5T_SGN_2;
    case H5T_FLOAT:
        *found = size == 4 ? AE_H5_FLOAT : AE_H5_DOUBLE;
        return H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F64LE) > 0;
    case H5T_STRING:
        *found = AE_H5_TEXT;
        return H5Tis_variable_str(type) > 0;
    default:
        return false;
    }
}
