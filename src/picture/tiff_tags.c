/* TIFF's tags: those with a place of their own in the room's, and those carried as they are. */
#include <stdlib.h>
#include <string.h>
#include "tiff_codec.h"

/* Types of tags that are carried as they are: not of places in the file, nor fractions. */
static bool is_carried(TIFFDataType type) {
    switch (type) {
    case TIFF_BYTE:
    case TIFF_ASCII:
    case TIFF_SHORT:
    case TIFF_LONG:
    case TIFF_SBYTE:
    case TIFF_UNDEFINED:
    case TIFF_SSHORT:
    case TIFF_SLONG:
    case TIFF_FLOAT:
    case TIFF_DOUBLE:
    case TIFF_LONG8:
    case TIFF_SLONG8:
        return true;
    default:
        return false;
    }
}

/* Finds a tag's value, which the library owns. False: it isn't of a kind that is carried. */
static bool find_value(TIFF *tiff, const TIFFField *field, uint32_t *count, void **value) {
    const uint32_t tag = TIFFFieldTag(field);
    uint16_t few;
    if (!is_carried(TIFFFieldDataType(field)) || tag == TIFFTAG_ICCPROFILE ||
        tag == TIFFTAG_RICHTIFFIPTC)
        return false;
    if (!TIFFFieldPassCount(field)) { /* of others: texts */
        if (TIFFFieldDataType(field) != TIFF_ASCII || !TIFFGetField(tiff, tag, value)) return false;
        *count = (uint32_t)strlen(*value) + 1;
        return true;
    }
    if (TIFFFieldReadCount(field) == TIFF_VARIABLE2) return TIFFGetField(tiff, tag, count, value);
    if (!TIFFGetField(tiff, tag, &few, value)) return false;
    *count = few;
    return true;
}

static ae_status take_entry(ae_picture_tags *tags, TIFF *tiff, uint32_t tag) {
    const TIFFField *field = TIFFFindField(tiff, tag, TIFF_ANY);
    uint32_t count;
    void *value;
    if (!field || !find_value(tiff, field, &count, &value) || count == 0) return AE_OK;
    const TIFFDataType type = TIFFFieldDataType(field);
    ae_picture_entry *entry = &tags->entries[tags->entry_count];
    *entry = (ae_picture_entry){.tag = tag, .type = (int)type, .count = count};
    if (!ae_picture_blob_copy(&entry->value, value, count * (size_t)TIFFDataWidth(type)))
        return ae_fail_memory("tags of a TIFF file");
    ++tags->entry_count;
    return AE_OK;
}

static ae_status take_entries(ae_picture_tags *tags, TIFF *tiff) {
    const int count = TIFFGetTagListCount(tiff);
    ae_status status = AE_OK;
    tags->entries = calloc((size_t)(count > 0 ? count : 1), sizeof *tags->entries);
    if (!tags->entries) return ae_fail_memory("tags of a TIFF file");
    for (int i = 0; i < count && status == AE_OK; ++i)
        status = take_entry(tags, tiff, TIFFGetTagListEntry(tiff, i));
    return status;
}

static void take_resolution(ae_picture_resolution *resolution, TIFF *tiff) {
    static const ae_picture_unit units[] = {AE_PICTURE_ASPECT, AE_PICTURE_ASPECT,
                                            AE_PICTURE_PER_INCH, AE_PICTURE_PER_CM};
    float x, y;
    uint16_t unit = RESUNIT_INCH;
    if (!TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &x) ||
        !TIFFGetField(tiff, TIFFTAG_YRESOLUTION, &y))
        return;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_RESOLUTIONUNIT, &unit);
    *resolution = (ae_picture_resolution){units[unit <= RESUNIT_CENTIMETER ? unit : 0], x, y};
}

ae_status ae_picture_tiff_take_tags(ae_picture_tags *tags, TIFF *tiff) {
    uint16_t orientation = 0, compression = 0, photometric = PHOTOMETRIC_MINISBLACK;
    uint32_t size;
    void *profile;
    TIFFGetField(tiff, TIFFTAG_ORIENTATION, &orientation);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &tags->subfile);
    TIFFGetField(tiff, TIFFTAG_PAGENUMBER, &tags->page_number[0], &tags->page_number[1]);
    tags->orientation = orientation <= 8 ? orientation : 0;
    tags->compression = compression;
    tags->white_is_zero = photometric == PHOTOMETRIC_MINISWHITE;
    take_resolution(&tags->resolution, tiff);
    if (TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &size, &profile) &&
        !ae_picture_blob_copy(&tags->profile, profile, size))
        return ae_fail_memory("a colour profile");
    return take_entries(tags, tiff);
}

/* ---- into another file ---- */

/* Makes a tag known that libtiff doesn't know by itself. */
static void declare(TIFF *tiff, const ae_picture_entry *entry) {
    static char name[] = "Private";
    const TIFFFieldInfo info = {.field_tag = entry->tag,
                                .field_readcount = TIFF_VARIABLE2,
                                .field_writecount = TIFF_VARIABLE2,
                                .field_type = (TIFFDataType)entry->type,
                                .field_bit = FIELD_CUSTOM,
                                .field_oktochange = 1,
                                .field_passcount = 1,
                                .field_name = name};
    TIFFMergeFieldInfo(tiff, &info, 1);
}

static bool put_entry(TIFF *tiff, const ae_picture_entry *entry) {
    if (!TIFFFindField(tiff, entry->tag, TIFF_ANY)) declare(tiff, entry);
    const TIFFField *field = TIFFFindField(tiff, entry->tag, TIFF_ANY);
    if (!field) return false;
    if (!TIFFFieldPassCount(field)) return TIFFSetField(tiff, entry->tag, entry->value.bytes);
    if (TIFFFieldWriteCount(field) == TIFF_VARIABLE2)
        return TIFFSetField(tiff, entry->tag, entry->count, entry->value.bytes);
    return TIFFSetField(tiff, entry->tag, (int)entry->count, entry->value.bytes);
}

static bool put_resolution(TIFF *tiff, ae_picture_resolution resolution) {
    ae_picture_resolution r = resolution;
    if (r.unit == AE_PICTURE_PER_METRE) r = ae_picture_resolution_in(r, AE_PICTURE_PER_CM);
    if (r.unit == AE_PICTURE_NO_RESOLUTION) return true;
    return TIFFSetField(tiff, TIFFTAG_XRESOLUTION, r.x) &&
           TIFFSetField(tiff, TIFFTAG_YRESOLUTION, r.y) &&
           TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT,
                        r.unit == AE_PICTURE_PER_INCH ? RESUNIT_INCH
                        : r.unit == AE_PICTURE_PER_CM ? RESUNIT_CENTIMETER
                                                      : RESUNIT_NONE);
}

bool ae_picture_tiff_put_tags(TIFF *tiff, const ae_picture_tags *tags) {
    bool done = put_resolution(tiff, tags->resolution);
    if (tags->orientation > 0) done &= TIFFSetField(tiff, TIFFTAG_ORIENTATION, tags->orientation);
    if (tags->subfile != 0) done &= TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, tags->subfile);
    if (tags->page_number[0] != 0 || tags->page_number[1] != 0)
        done &= TIFFSetField(tiff, TIFFTAG_PAGENUMBER, tags->page_number[0], tags->page_number[1]);
    if (tags->profile.bytes)
        done &= TIFFSetField(tiff, TIFFTAG_ICCPROFILE, (uint32_t)tags->profile.size,
                             tags->profile.bytes);
    for (int i = 0; i < tags->entry_count; ++i) done &= put_entry(tiff, &tags->entries[i]);
    return done;
}
