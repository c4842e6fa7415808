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
    size_t row_bytes;
    bool compares, has_noise;
    int strip;  /* rows of one */
    int window; /* rows of the input that it needs at most */
    char *raw;  /* [window] rows of pixels from `first` on, `count` of which are there */
    int first, count;
    char *pixels;    /* [strip] rows of output */
    char *gathered;  /* [ranks] such; of rank 0 where several do the page */
    ae_planes in;    /* the network's input, [window] rows */
    ae_planes clean; /* to compare with */
    ae_planes out;   /* [strip] rows */
    float *normals;
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

/* Channels that the network makes at a time. */
static int out_channels(const job *j) {
    return j->info->channels == 1 ? j->shop->channels : j->info->channels;
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
    j->in = take_planes(a, j->info->channels, j->window, j->width);
    j->out = take_planes(a, out_channels(j), j->strip, j->width);
    if (j->compares) j->clean = take_planes(a, j->info->channels, j->height, j->width);
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

/* out = the network's picture of in: channel by channel, or of a grey picture as often as there are
 * channels, with the mean taken. AE_STOPPED. */
static ae_status run_network(job *j, const ae_strip *out, const ae_strip *in) {
    ae_tiles *tiles = j->shop->tiles;
    const int have = j->info->channels, want = j->shop->channels;
    bool complete = true;
    if (have == want) {
        complete = ae_tiles_apply_strip(tiles, out, in, j->height);
    } else if (want == 1) {
        for (int c = 0; complete && c < have; ++c) {
            const ae_strip to = {out->first, ae_planes_channels(&out->planes, c, 1)};
            const ae_strip from = {in->first, ae_planes_channels(&in->planes, c, 1)};
            complete = ae_tiles_apply_strip(tiles, &to, &from, j->height);
        }
    } else {
        ae_strip from = *in;
        from.planes.channels = want;
        from.planes.plane_stride = 0;
        complete = ae_tiles_apply_strip(tiles, out, &from, j->height);
        ae_pixels_mean(&out->planes);
    }
    return complete ? AE_OK : ae_fail(AE_STOPPED, "stopped early");
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
    if (status == AE_OK) ae_pixels_load(&j->clean, j->raw, info, scale_of(j->shop, info));
    return status;
}

static void measure(double *psnr_db, double *ssim, const job *j, const ae_planes *planes) {
    const ae_kernels *kernels = j->shop->model->kernels;
    const ae_planes picture = ae_planes_channels(planes, 0, j->info->channels);
    *psnr_db = ae_metrics_psnr_db(ae_metrics_mse(kernels, &picture, &j->clean));
    *ssim = ae_metrics_ssim(kernels, &picture, &j->clean, 1);
}

static ae_status compare(ae_quality *quality, job *j) {
    ae_status status = j->page->reference ? load_reference(j) : AE_OK;
    if (status != AE_OK) return status;
    measure(&quality->psnr_db, &quality->ssim, j, &j->out);
    measure(&quality->input_psnr_db, &quality->input_ssim, j, &j->in);
    return AE_OK;
}

/* ---- strips ---- */

/* The window as the network's input. */
static ae_strip load_window(job *j) {
    ae_strip in = {j->first, j->in};
    in.planes.height = j->count;
    if (j->has_noise) {
        ae_pixels_load(&j->clean, j->raw, j->info, j->scale);
        ae_pixels_add_noise(&in.planes, &j->clean, j->shop->options->sigma, j->page->stream,
                            j->shop->model->kernels, j->normals);
    } else {
        ae_pixels_load(&in.planes, j->raw, j->info, j->scale);
    }
    return in;
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
    const ae_strip in = load_window(j);
    ae_strip out = {begin, j->out};
    out.planes.height = end - begin;
    status = run_network(j, &out, &in);
    if (status != AE_OK) return status;
    out.planes.channels = j->info->channels;
    if (j->info->alpha != AE_PICTURE_OPAQUE)
        memcpy(j->pixels, raw_row(j, begin), (size_t)(end - begin) * j->row_bytes);
    ae_pixels_store(j->pixels, &out.planes, j->info, j->scale);
    return AE_OK;
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
