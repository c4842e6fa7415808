#include "apply/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/command.h"

enum { TILE_MAX = 1 << 16 };

void ae_apply_print_help(void) {
    puts(
        "Usage: mpirun -np RANKS ae_dist apply [options] MODEL INPUT... -o OUT\n"
        "Applies a trained network to pictures, and puts what comes out into the folder OUT.\n"
        "\n"
        "MODEL: a model.h5, a run's folder, or a checkpoint.\n"
        "INPUT: pictures (PNG, JPEG, TIFF; all pages), folders of them with all in them but OUT,\n"
        "  lists (a text file, a path a line), HDF5 datasets as FILE.h5:/dataset.\n"
        "OUT has the same names below it; pictures keep size, type, bit depth, alpha,\n"
        "  orientation, colour profile and resolution, datasets attributes and scales.\n"
        "\n"
        "  -o, --output OUT      the folder; made where it isn't there\n"
        "  --format FORMAT       same, png, tiff or jpeg (else the same, and png of a jpeg)\n"
        "  --quality N           of JPEG, 1 to 100 (95)\n"
        "  --range A,B           pixel values that become 0 and 1 (else black and white of\n"
        "                        integers, and of floats what the model was trained with)\n"
        "  --axes AXES           of HDF5 datasets: NHW, NCHW, NHWC (else as the shape tells)\n"
        "  --sigma S             add Gaussian noise first, in units of that range; a picture's\n"
        "                        depends on its name below its INPUT alone\n"
        "  --reference DIR       compare with the pictures of the same names there; with --sigma\n"
        "                        and no reference, with the pictures before the noise\n"
        "  --tile N              side of the tiles (as suits the network); changes no bit of what\n"
        "                        comes out\n"
        "  --memory SIZE         a rank may use, as 300M or 2G (1G)\n"
        "  --force               do again what is there already\n"
        "  --quiet               print warnings and errors alone\n"
        "  --help                print this text, and leave\n"
        "\n"
        "Started again, it goes on: what was done with the same model and options, from inputs\n"
        "  of the same size and time, is left alone.\n"
        "PSNR and SSIM (--sigma, --reference) are of the network's picture before it is rounded;\n"
        "  beside them those of its input. They are printed, and stored in OUT/apply.h5 and .csv.\n"
        "\n"
        "Exit codes: 0 done; 1 out of memory or threads; 2 usage, or the model; 3 some pictures\n"
        "  were left out, and named; 4 files that can't be written; 6 no progress; 75 stopped by "
        "a\n"
        "  signal: the same command goes on.");
}

/* ---- values ---- */

static ae_status refuse(const char *option, const char *value, const char *allowed) {
    return ae_fail(AE_ERROR_USAGE, "%s %s: allowed: %s; see ae_dist apply --help", option, value,
                   allowed);
}

static ae_status read_number(double *number, const char *option, const char *text, double least,
                             double most, const char *allowed) {
    char *end;
    *number = strtod(text, &end);
    if (end == text || *end || !(*number >= least && *number <= most))
        return refuse(option, text, allowed);
    return AE_OK;
}

static ae_status read_whole(int *number, const char *option, const char *text, int most,
                            const char *allowed) {
    double value;
    ae_status status = read_number(&value, option, text, 1, most, allowed);
    if (status == AE_OK && value != floor(value)) return refuse(option, text, allowed);
    if (status == AE_OK) *number = (int)value;
    return status;
}

static ae_status read_range(double range[2], const char *text) {
    static const char allowed[] = "two different numbers, as in 0,4095";
    char *comma, *end;
    range[0] = strtod(text, &comma);
    if (comma == text || *comma != ',') return refuse("--range", text, allowed);
    range[1] = strtod(comma + 1, &end);
    const double span = range[1] - range[0];
    if (end == comma + 1 || *end || !isfinite(range[0]) || !isfinite(span) || span == 0)
        return refuse("--range", text, allowed);
    return AE_OK;
}

static ae_status read_size(size_t *bytes, const char *text) {
    static const char units[] = "KMGT", allowed[] = "1M to 1000T, as in 300M or 1.5G";
    char *end;
    double value = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (end == text || (*end && !unit)) return refuse("--memory", text, allowed);
    if (unit) value = ldexp(value, 10 * (int)(unit - units + 1));
    const char *rest = unit ? end + 1 : end;
    const bool is_known = !*rest || strcasecmp(rest, "B") == 0 || strcasecmp(rest, "iB") == 0;
    if (!is_known || !(value >= 0x1p20 && value <= 0x1p50))
        return refuse("--memory", text, allowed);
    *bytes = (size_t)value;
    return AE_OK;
}

static ae_status read_format(ae_apply_format *format, const char *text) {
    static const char *const words[] = {NULL, "same", "png", "tiff", "jpeg"};
    for (int f = AE_APPLY_SAME; f <= AE_APPLY_JPEG; ++f)
        if (strcmp(words[f], text) == 0) {
            *format = (ae_apply_format)f;
            return AE_OK;
        }
    return refuse("--format", text, "same, png, tiff, jpeg");
}

static ae_status read_axes(const char **axes, const char *text) {
    if (strcmp(text, "NHW") && strcmp(text, "NCHW") && strcmp(text, "NHWC"))
        return refuse("--axes", text, "NHW, NCHW, NHWC");
    *axes = text;
    return AE_OK;
}

/* ---- options ---- */

enum {
    HELP = 'h',
    OUTPUT = 'o',
    FORMAT = 256,
    QUALITY,
    RANGE,
    AXES,
    SIGMA,
    REFERENCE,
    TILE,
    MEMORY,
    FORCE,
    QUIET
};

static const struct option known[] = {{"output", required_argument, NULL, OUTPUT},
                                      {"format", required_argument, NULL, FORMAT},
                                      {"quality", required_argument, NULL, QUALITY},
                                      {"range", required_argument, NULL, RANGE},
                                      {"axes", required_argument, NULL, AXES},
                                      {"sigma", required_argument, NULL, SIGMA},
                                      {"reference", required_argument, NULL, REFERENCE},
                                      {"tile", required_argument, NULL, TILE},
                                      {"memory", required_argument, NULL, MEMORY},
                                      {"force", no_argument, NULL, FORCE},
                                      {"quiet", no_argument, NULL, QUIET},
                                      {"help", no_argument, NULL, HELP},
                                      {NULL, 0, NULL, 0}};

static ae_status take_option(ae_apply_options *o, int option, const char *word) {
    switch (option) {
    case HELP:
        o->help = true;
        return AE_OK;
    case FORCE:
        o->force = true;
        return AE_OK;
    case QUIET:
        o->quiet = true;
        return AE_OK;
    case OUTPUT:
        o->out = optarg;
        return AE_OK;
    case REFERENCE:
        o->reference = optarg;
        return AE_OK;
    case FORMAT:
        return read_format(&o->format, optarg);
    case QUALITY:
        return read_whole(&o->quality, "--quality", optarg, 100, "1 to 100");
    case RANGE:
        o->has_range = true;
        return read_range(o->range, optarg);
    case AXES:
        return read_axes(&o->axes, optarg);
    case SIGMA:
        return read_number(&o->sigma, "--sigma", optarg, 0, 1e6, "numbers from 0, as in 0.1");
    case TILE:
        return read_whole(&o->tile, "--tile", optarg, TILE_MAX, "1 to 65536");
    case MEMORY:
        return read_size(&o->memory, optarg);
    case AE_COMMAND_OPERAND:
        if (!o->model)
            o->model = optarg;
        else
            o->inputs[o->input_count++] = optarg;
        return AE_OK;
    default:
        return ae_command_refuse("ae_dist apply", known, option, word);
    }
}

ae_status ae_apply_options_parse(ae_apply_options *options, int argc, char **argv) {
    const char *word;
    *options = (ae_apply_options){.quality = 95, .memory = (size_t)1 << 30};
    options->inputs = calloc((size_t)argc + 1, sizeof *options->inputs);
    if (!options->inputs) return ae_fail_memory("the command line");
    optind = 1;
    for (int option; (option = ae_command_next(argc, argv, known, &word)) != -1;) {
        ae_status status = take_option(options, option, word);
        if (status != AE_OK) return status;
    }
    const char *missing = !options->model                   ? "the model"
                          : options->input_count == 0       ? "the pictures"
                          : !options->out || !*options->out ? "-o and the folder for what comes out"
                                                            : NULL;
    if (options->help || !missing) return AE_OK;
    return ae_fail(AE_ERROR_USAGE,
                   "%s not given; usage: ae_dist apply MODEL INPUT... -o OUT, for example "
                   "ae_dist apply runs/denoise50 photos -o clean; see ae_dist apply --help",
                   missing);
}

void ae_apply_options_release(ae_apply_options *options) {
    free(options->inputs);
    options->inputs = NULL;
}
