#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* A run of characters' codes. */
typedef struct range {
    uint32_t first, last;
} range;

static const range invisible[] = {
    {0x00, 0x1F},     {0x7F, 0xA0},     {0xAD, 0xAD},     {0x34F, 0x34F},   {0x61C, 0x61C},
    {0x115F, 0x1160}, {0x1680, 0x1680}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x2000, 0x200F},
    {0x2028, 0x202F}, {0x205F, 0x206F}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
    {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF},
};

static const range odd_quotes[] = {
    {0xAB, 0xAB},     {0xB4, 0xB4},     {0xBB, 0xBB},     {0x2B9, 0x2BF},   {0x2018, 0x201F},
    {0x2032, 0x2037}, {0x2039, 0x203A}, {0x300C, 0x300F}, {0xFF02, 0xFF02}, {0xFF07, 0xFF07},
};

/* Dashes and minus signs, dots and commas, colons, slashes, and the full-width forms of ASCII. */
static const range odd_signs[] = {
    {0x2010, 0x2015}, {0x2024, 0x2024}, {0x2043, 0x2044}, {0x2212, 0x2212}, {0x2215, 0x2215},
    {0x2217, 0x2217}, {0x223C, 0x223C}, {0x2236, 0x2236}, {0x3001, 0x3002}, {0xA789, 0xA78A},
    {0xFE55, 0xFE55}, {0xFE58, 0xFE58}, {0xFE63, 0xFE63}, {0xFF01, 0xFF5E},
};

/* Greek and Cyrillic letters that look like Latin ones. */
static const range odd_letters[] = {
    {0x391, 0x392}, {0x395, 0x397}, {0x399, 0x39A}, {0x39C, 0x39D}, {0x39F, 0x39F}, {0x3A1, 0x3A1},
    {0x3A4, 0x3A5}, {0x3A7, 0x3A7}, {0x3B9, 0x3B9}, {0x3BD, 0x3BD}, {0x3BF, 0x3BF}, {0x3C1, 0x3C1},
    {0x405, 0x406}, {0x408, 0x408}, {0x410, 0x410}, {0x412, 0x412}, {0x415, 0x415}, {0x41A, 0x41A},
    {0x41C, 0x41E}, {0x420, 0x422}, {0x425, 0x425}, {0x430, 0x430}, {0x435, 0x435}, {0x43E, 0x43E},
    {0x440, 0x441}, {0x443, 0x443}, {0x445, 0x445}, {0x455, 0x456}, {0x458, 0x458}, {0x4BB, 0x4BB},
};

#define IS_IN(ranges, code) is_in(ranges, sizeof(ranges) / sizeof((ranges)[0]), code)

static bool is_in(const range *ranges, size_t count, uint32_t code) {
    for (size_t i = 0; i < count; ++i)
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    return false;
}

size_t ae_text_character(const char *text, size_t size, uint32_t *code) {
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t count = first < 0x80             ? 1
                   : (first & 0xE0) == 0xC0 ? 2
                   : (first & 0xF0) == 0xE0 ? 3
                   : (first & 0xF8) == 0xF0 ? 4
                                            : 0;
    if (count == 0 || count > size) return 0;
    *code = count == 1 ? first : first & (0x7Fu >> count);
    for (size_t i = 1; i < count; ++i) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte & 0xC0) != 0x80) return 0;
        *code = *code << 6 | (byte & 0x3F);
    }
    bool surrogate = *code >= 0xD800 && *code <= 0xDFFF;
    return *code < lowest[count] || *code > 0x10FFFF || surrogate ? 0 : count;
}

bool ae_text_is_invisible(uint32_t code) {
    return code != ' ' && IS_IN(invisible, code);
}

bool ae_text_is_odd_quote(uint32_t code) {
    return IS_IN(odd_quotes, code);
}

static bool is_ascii_letter(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Would the character at text[at], of `count` bytes, mislead a reader? */
static bool misleads(const char *text, size_t at, size_t count, uint32_t code) {
    if (code == '\n' || code == '\t') return false;
    if (code < 0x7F) return code < 0x20;
    bool touches = (at > 0 && is_ascii_letter(text[at - 1])) || is_ascii_letter(text[at + count]);
    return IS_IN(invisible, code) || IS_IN(odd_quotes, code) || IS_IN(odd_signs, code) ||
           (touches && IS_IN(odd_letters, code));
}

void ae_text_show(char *shown, size_t size, const char *text) {
    size_t length = strlen(text), used = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code;
        char piece[16];
        size_t count = ae_text_character(text + at, length - at, &code);
        int room;
        if (count == 0)
            room = snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)(unsigned char)text[at]);
        else if (misleads(text, at, count, code))
            room = snprintf(piece, sizeof piece, "<U+%04X>", (unsigned)code);
        else
            room = snprintf(piece, sizeof piece, "%.*s", (int)count, text + at);
        if (used + (size_t)room >= size) break;
        memcpy(shown + used, piece, (size_t)room);
        used += (size_t)room;
        at += count > 0 ? count : 1;
    }
    shown[used] = '\0';
}

void ae_text_quote(char *quoted, const char *text) {
    static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_./-+:,@%=";
    if (text[0] && text[strspn(text, bare)] == '\0') {
        strcpy(quoted, text);
        return;
    }
    *quoted++ = '\'';
    for (; *text; ++text) {
        const char *piece = *text == '\'' ? "'\\''" : (char[]){*text, '\0'};
        quoted = stpcpy(quoted, piece);
    }
    strcpy(quoted, "'");
}
