#include "apply/page.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "metrics/metrics.h"

enum {
    TILES_A_THREAD = 8, /* of a strip, that threads end together */
    LEAST_SHARE = 16    /* rows of a strip that are worth another rank's work */
};

/* ---- workshop ---- */

ae_status ae_workshop_init(ae_workshop *workshop, const ae_apply_options *options,
                           const ae_model *model, int channels, const double model_range[2],
                           int threads) {
    int side = options->tile > 0 ? options->tile : ae_tiles_quick_side(model->network);
    *workshop = (ae_workshop){.options = options,
                              .model = model,
                              .channels = channels,
                              .model_range = {model_range[0], model_range[1]},
                              .threads = threads};
    while (side > 1 && ae_tiles_bytes(model, side, threads) > options->memory / 4) side /= 2;
    return ae_tiles_create(&workshop->tiles, model, side, threads);
}

void ae_workshop_release(ae_workshop *workshop) {
    ae_tiles_destroy(&workshop->tiles);
    free(workshop->memory);
    workshop->memory = NULL;
}

/* ---- a page's memory ---- */

typedef struct job {
    ae_workshop *shop;
    const ae_page *page;
    const ae_picture_info *info;
    ae_scale scale;
    int height, width, rank, ranks;
    size_t row_bytes, pixel_bytes;
    bool compares, has_noise;
    int strip;  /* rows of one */
    int window; /* rows of the input that it needs at most */
    char *raw;  /* [window] rows of pixels from `first` on, `count` of which are there */
    int first, count;
    char *pixels;    /* [strip] rows of output */
    char *gathered;  /* [ranks] such; of rank 0 where several do the page */
    ae_planes in;    /* of what is compared: the network's input */
    ae_planes clean; /* what it is compared with */
    ae_planes out;   /* the network's picture */
    float *normals;
    int begin;   /* first row of the strip in hand */
    int channel; /* of the picture, that the network's first is */
} job;

/* Hands out pieces of one allocation; with no memory it only counts. */
typedef struct arena {
    char *memory;
    size_t used;
} arena;

static void *take(arena *a, size_t bytes) {
    char *piece = a->memory ? a->memory + a->used : NULL;
    a->used += (bytes + AE_ALIGNMENT - 1) / AE_ALIGNMENT * AE_ALIGNMENT;
    return piece;
}

static ae_planes take_planes(arena *a, int channels, int height, int width) {
    float *memory = take(a, ae_planes_floats(channels, height, width, 0) * sizeof(float));
    if (!memory) return (ae_planes){0};
    return ae_planes_view(memory, channels, height, width, 0);
}

static void lay_out(job *j, arena *a) {
    const size_t strip_bytes = (size_t)j->strip * j->row_bytes;
    size_t row_bytes = j->row_bytes;
    if (j->page->reference) {
        const size_t reference = ae_picture_row_bytes(ae_input_file_info(j->page->reference));
        if (row_bytes < reference) row_bytes = reference;
    }
    j->raw = take(a, (size_t)j->window * row_bytes);
    j->pixels = take(a, strip_bytes);
    j->gathered = j->page->comm ? take(a, (size_t)j->ranks * strip_bytes) : NULL;
    if (j->compares) {
        j->in = take_planes(a, j->info->channels, j->height, j->width);
        j->clean = take_planes(a, j->info->channels, j->height, j->width);
        j->out = take_planes(a, j->info->channels, j->height, j->width);
    }
    if (j->has_noise)
        j->normals = take(a, (size_t)j->shop->threads * ((size_t)j->width + 3) * sizeof(float));
}

static size_t needed_bytes(job *j, int strip) {
    const ae_network *network = j->shop->model->network;
    const ae_margin margin = ae_network_margin(network);
    const int64_t window =
        (int64_t)strip + margin.before + margin.after + 2 * ae_network_phase(network);
    arena counted = {NULL, 0};
    j->strip = strip;
    j->window = window < j->height ? (int)window : j->height;
    lay_out(j, &counted);
    return counted.used + (size_t)j->info->bytes +
           (j->page->reference ? (size_t)ae_input_file_info(j->page->reference)->bytes : 0) +
           ae_tiles_bytes(j->shop->model, ae_tiles_side(j->shop->tiles), j->shop->threads);
}

/* Rows of a strip where memory is no concern: so many that they make tiles for all threads, but no
 * more than a rank's share; all of what is compared. */
static int wanted_strip(const job *j) {
    const int side = ae_tiles_side(j->shop->tiles), across = (j->width + side - 1) / side;
    const int down = (TILES_A_THREAD * j->shop->threads + across - 1) / across;
    const int share = j->height / j->ranks + 1, least = share > LEAST_SHARE ? share : LEAST_SHARE;
    const int strip = down * side < least ? down * side : least;
    return strip < j->height && !j->compares ? strip : j->height;
}

static ae_status plan(job *j) {
    const size_t memory = j->shop->options->memory;
    int strip = wanted_strip(j);
    while (needed_bytes(j, strip) > memory && strip > 1 && !j->compares) strip = (strip + 1) / 2;
    const size_t needed = needed_bytes(j, strip);
    if (needed > memory) /* the one rounded up, the other down, so that they differ */
        return ae_fail(
            AE_ERROR_DATA,
            "%s: %d x %d pixels need %.0f MB%s; --memory lets a rank use %.0f MB: raise it",
            j->page->name, j->width, j->height, ceil((double)needed / 1e6),
            j->compares                ? ", whole as they are compared"
            : j->info->bytes > 1 << 24 ? ", as its file can't be read in strips"
                                       : "",
            floor((double)memory / 1e6));
    if ((double)j->window * (j->width + AE_LANES) > INT_MAX)
        return ae_fail(AE_ERROR_DATA, "%s: %d x %d pixels are too many to be compared",
                       j->page->name, j->width, j->height);
    return AE_OK;
}

/* Memory that the next page can use too. */
static ae_status take_memory(job *j) {
    ae_workshop *shop = j->shop;
    arena a = {NULL, 0};
    lay_out(j, &a);
    if (shop->memory_size < a.used) {
        free(shop->memory);
        shop->memory_size = 0;
        shop->memory = ae_calloc(a.used, 1);
        if (!shop->memory) return ae_fail_memory("a strip of a picture");
        shop->memory_size = a.used;
    }
    a = (arena){shop->memory, 0};
    /* Metrics read zeros beyond a row's width. */
    if (j->compares) memset(shop->memory, 0, shop->memory_size);
    lay_out(j, &a);
    return AE_OK;
}

/* ---- scaling, channels ---- */

static ae_scale scale_of(const ae_workshop *shop, const ae_picture_info *info) {
    const double white = info->type == AE_PICTURE_U8 ? 255 : 65535;
    const ae_apply_options *options = shop->options;
    double zero = 0, one = white;
    if (options->has_range) {
        /* Values of fewer bits were spread over the type's. */
        const double unit =
            info->type == AE_PICTURE_F32 ? 1 : white / (double)((1 << info->bits) - 1);
        zero = options->range[0] * unit;
        one = options->range[1] * unit;
    } else if (info->type == AE_PICTURE_F32) {
        zero = shop->model_range[0];
        one = shop->model_range[1];
    }
    return (ae_scale){(float)zero, (float)one};
}

static ae_status check_channels(const job *j) {
    const int have = j->info->channels, want = j->shop->channels;
    if (have == want || have == 1 || want == 1) return AE_OK;
    return ae_fail(AE_ERROR_DATA, "%s: has %d channels a pixel, and the network takes %d",
                   j->page->name, have, want);
}

/* ---- the input's window ---- */

static char *raw_row(const job *j, int row) {
    return j->raw + (size_t)(row - j->first) * j->row_bytes;
}

/* Makes the window the rows [begin, end) of the page: keeps those it has, passes over some. */
static ae_status move_window(job *j, int begin, int end) {
    const int next = j->first + j->count;
    ae_status status = AE_OK;
    if (begin < next) {
        memmove(j->raw, raw_row(j, begin), (size_t)(next - begin) * j->row_bytes);
        j->count = next - begin;
    } else {
        status = ae_input_file_pass(j->page->source, begin - next, j->raw, j->window);
        j->count = 0;
    }
    j->first = begin;
    const int wanted = end - begin - j->count;
    if (status != AE_OK || wanted == 0) return status;
    status = ae_input_file_read(j->page->source, wanted, raw_row(j, begin + j->count));
    j->count = end - begin;
    return status;
}

/* ---- the network's ends ---- */

/* Of what is compared from planes, else from pixels. */
static void load_row(float *row, const void *from, int channel, int h, int begin, int end) {
    const job *j = from;
    const int c = j->info->channels == 1 ? 0 : j->channel + channel;
    const char *pixels = raw_row(j, h) + (size_t)begin * j->pixel_bytes;
    if (j->compares)
        memcpy(row, ae_planes_row(&j->in, c, h) + begin, (size_t)(end - begin) * sizeof *row);
    else
        ae_pixels_load_row(row, pixels, j->info, c, end - begin, j->scale);
}

/* Of a grey picture's equal channels the mean. */
static void store_tile(void *to, const ae_planes *tile, int h, int w) {
    const job *j = to;
    const bool is_mean = j->info->channels < tile->channels;
    if (is_mean) ae_pixels_mean(tile);
    for (int c = 0; c < (is_mean ? 1 : tile->channels); ++c)
        for (int row = 0; row < tile->height; ++row) {
            const float *values = ae_planes_row(tile, c, row);
            char *pixels = j->pixels + (size_t)(h + row - j->begin) * j->row_bytes;
            ae_pixels_store_row(pixels + (size_t)w * j->pixel_bytes, values, j->info,
                                j->channel + c, tile->width, j->scale);
            if (j->compares)
                memcpy(ae_planes_row(&j->out, j->channel + c, h + row) + w, values,
                       (size_t)tile->width * sizeof *values);
        }
}

/* Makes the strip [begin, end) of the network's picture: channel by channel where the network has
 * one, and of a grey picture as often as it has channels, with the mean taken. AE_STOPPED. */
static ae_status run_network(job *j, int begin, int end) {
    const ae_tile_ends ends = {load_row, store_tile, j, j};
    const int passes = j->shop->channels == 1 ? j->info->channels : 1;
    bool complete = true;
    j->begin = begin;
    for (j->channel = 0; complete && j->channel < passes; ++j->channel)
        complete = ae_tiles_apply_rows(j->shop->tiles, &ends, begin, end, j->height, j->width);
    return complete ? AE_OK : ae_fail(AE_STOPPED, "stopped early");
}

/* ---- comparing ---- */

/* A page's pixels as planes, on its own scale. */
static ae_status load_reference(job *j) {
    ae_input_file *reference = j->page->reference;
    const ae_picture_info *info = ae_input_file_info(reference);
    if (info->width != j->width || info->height != j->height || info->channels != j->info->channels)
        return ae_fail(AE_ERROR_DATA,
                       "%s: its reference has %lld x %lld pixels of %d channels, not %d x %d of %d",
                       j->page->name, (long long)info->width, (long long)info->height,
                       info->channels, j->width, j->height, j->info->channels);
    ae_status status = ae_input_file_read(reference, j->height, j->raw);
    if (status == AE_OK && !ae_pixels_are_finite(j->raw, info, j->height))
        status =
            ae_fail(AE_ERROR_DATA, "%s: in its reference is a NaN or an infinity; give it a value",
                    j->page->name);
    if (status == AE_OK) ae_pixels_load(&j->clean, j->raw, info, scale_of(j->shop, info));
    return status;
}

static void measure(double *psnr_db, double *ssim, const job *j, const ae_planes *planes) {
    const ae_kernels *kernels = j->shop->model->kernels;
    *psnr_db = ae_metrics_psnr_db(ae_metrics_mse(kernels, planes, &j->clean));
    *ssim = ae_metrics_ssim(kernels, planes, &j->clean, 1);
}

static ae_status compare(ae_quality *quality, job *j) {
    ae_status status = j->page->reference ? load_reference(j) : AE_OK;
    if (status != AE_OK) return status;
    measure(&quality->psnr_db, &quality->ssim, j, &j->out);
    measure(&quality->input_psnr_db, &quality->input_ssim, j, &j->in);
    return AE_OK;
}

/* ---- strips ---- */

/* What is compared, as the network's input, with noise or not. */
static void load_planes(job *j) {
    const ae_planes *loaded = j->has_noise ? &j->clean : &j->in;
    ae_pixels_load(loaded, j->raw, j->info, j->scale);
    if (j->has_noise)
        ae_pixels_add_noise(&j->in, &j->clean, j->shop->options->sigma, j->page->stream,
                            j->shop->model->kernels, j->normals);
}

/* Fills in the output's pixels of rows [begin, end). */
static ae_status make_strip(job *j, int begin, int end) {
    int from = begin, to = end;
    ae_tiles_needed(j->shop->model->network, j->height, &from, &to);
    ae_status status = move_window(j, from, to);
    if (status != AE_OK) return status;
    if (!ae_pixels_are_finite(j->raw, j->info, j->count))
        return ae_fail(AE_ERROR_DATA,
                       "%s: in rows %d to %d (from 0) is a NaN or an infinity; give it a value",
                       j->page->name, from, to - 1);
    if (j->compares) load_planes(j);
    if (j->info->alpha != AE_PICTURE_OPAQUE)
        memcpy(j->pixels, raw_row(j, begin), (size_t)(end - begin) * j->row_bytes);
    return run_network(j, begin, end);
}

static ae_status agree(const job *j, ae_status status) {
    return j->page->comm ? ae_comm_agree(j->page->comm, status) : status;
}

/* Writes the strips of a round, whose first row is `begin`. */
static ae_status write_round(const job *j, int begin) {
    const char *pixels = j->gathered ? j->gathered : j->pixels;
    ae_status status = AE_OK;
    for (int r = 0; r < j->ranks && status == AE_OK; ++r, begin += j->strip) {
        const int left = j->height - begin;
        if (left <= 0) break;
        status = ae_output_file_write(j->page->sink, left < j->strip ? left : j->strip,
                                      pixels + (size_t)r * (size_t)j->strip * j->row_bytes);
    }
    return status;
}

/* A strip on each rank; the one with the sink writes them. */
static ae_status make_round(job *j, int begin) {
    const int mine = begin + j->rank * j->strip, end = mine + j->strip;
    ae_status status = AE_OK;
    if (mine < j->height) status = make_strip(j, mine, end < j->height ? end : j->height);
    status = agree(j, status);
    if (status != AE_OK) return status;
    if (j->page->comm)
        ae_comm_gather(j->page->comm, j->pixels, (size_t)j->strip * j->row_bytes, j->gathered);
    return agree(j, j->page->sink ? write_round(j, begin) : AE_OK);
}

static job begin_job(ae_workshop *shop, const ae_page *page) {
    const ae_picture_info *info = ae_input_file_info(page->source);
    return (job){.shop = shop,
                 .page = page,
                 .info = info,
                 .scale = scale_of(shop, info),
                 .height = (int)info->height,
                 .width = (int)info->width,
                 .rank = page->comm ? ae_comm_rank(page->comm) : 0,
                 .ranks = page->comm ? ae_comm_size(page->comm) : 1,
                 .row_bytes = ae_picture_row_bytes(info),
                 .pixel_bytes = ae_picture_row_bytes(info) / (size_t)info->width,
                 .compares = shop->options->sigma > 0 || page->reference,
                 .has_noise = shop->options->sigma > 0};
}

static ae_status prepare(job *j) {
    ae_status status = check_channels(j);
    if (status == AE_OK && !ae_tiles_fit(j->shop->model->network, j->height, j->width))
        return ae_fail(AE_ERROR_DATA,
                       "%s: of its %d rows of %d pixels the network's layers don't make as many",
                       j->page->name, j->height, j->width);
    if (status == AE_OK) status = plan(j);
    if (status == AE_OK) status = take_memory(j);
    if (status == AE_OK && j->page->sink)
        status = ae_output_file_begin(j->page->sink, j->page->source);
    return status;
}

ae_status ae_page_apply(ae_workshop *workshop, const ae_page *page, ae_quality *quality) {
    job j = begin_job(workshop, page);
    ae_status status = agree(&j, prepare(&j));
    const int round = j.strip * j.ranks;
    for (int begin = 0; status == AE_OK && begin < j.height; begin += round) {
        status = make_round(&j, begin);
        const int done = begin + round < j.height ? round : j.height - begin;
        ae_apply_progress_add(&workshop->progress, (double)done * j.width,
                              (double)done / j.height / (double)j.info->pages);
    }
    if (status == AE_OK && j.compares) status = compare(quality, &j);
    return status;
}
