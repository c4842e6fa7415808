"""PNG and TIFF files as the tests of apply make and read them, of the plainest kinds."""
import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of samples a pixel


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, pixels, extra=()):
    """pixels[height][width][samples], uint8 or uint16; extra: chunks before the pixels."""
    height, width, samples = pixels.shape
    bits = 8 * pixels.itemsize
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[samples], 0, 0, 0)
    rows = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">")))
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    path.write_bytes(SIGNATURE + chunk(b"IHDR", header) +
                     b"".join(chunk(*one) for one in extra) +
                     chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def png_chunks(path):
    """(kind, data) of each chunk."""
    data, at, found = path.read_bytes(), len(SIGNATURE), []
    assert data.startswith(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def paeth(left, up, corner):
    guess = left + up - corner
    nearest = min((abs(guess - value), order, value)
                  for order, value in enumerate((left, up, corner)))
    return nearest[2]


def unfilter(kind, row, above, step):
    """Undoes a row's filter."""
    out = bytearray(row)
    for i in range(len(out)):
        left = out[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        guess = (0, left, above[i], (left + above[i]) // 2)[kind] if kind < 4 else \
            paeth(left, above[i], corner)
        out[i] = (out[i] + guess) & 255
    return bytes(out)


def read_png(path):
    chunks = png_chunks(path)
    width, height, bits, colour = struct.unpack_from(">IIBB", chunks[0][1])
    samples = {value: key for key, value in COLOUR_TYPES.items()}[colour]
    data = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    step = samples * bits // 8
    size, rows, above = width * step, [], bytes(width * step)
    for h in range(height):
        begin = h * (size + 1)
        above = unfilter(data[begin], data[begin + 1 : begin + 1 + size], above, step)
        rows.append(above)
    kind = {8: np.uint8, 16: np.dtype(">u2")}[bits]
    return np.frombuffer(b"".join(rows), kind).reshape(height, width, samples).astype(
        kind if bits == 8 else np.uint16)


# ---- TIFF, little-endian ----

TIFF_TYPES = {2: "s", 3: "H", 4: "I", 5: "II"}


def write_tiff(path, pages, tags=(), rows_per_strip=7):
    """pages: pixels[height][width][samples] each, uint8, uint16 or float32, in strips; tags:
    (number, type, values) beside those of the pixels."""
    data, place = bytearray(b"II*\0\0\0\0\0"), 4
    for pixels in pages:
        height, width, samples = pixels.shape
        strips = [pixels[h : h + rows_per_strip].tobytes() for h in range(0, height, rows_per_strip)]
        offsets = []
        for strip in strips:
            offsets.append(len(data))
            data += strip + b"\0" * (len(strip) % 2)
        form = 3 if pixels.dtype.kind == "f" else 1
        fields = [(256, 4, [width]), (257, 4, [height]), (258, 3, [8 * pixels.itemsize] * samples),
                  (259, 3, [1]), (262, 3, [2 if samples >= 3 else 1]), (273, 4, offsets),
                  (277, 3, [samples]), (278, 4, [rows_per_strip]),
                  (279, 4, [len(strip) for strip in strips]), (284, 3, [1]),
                  (339, 3, [form] * samples), *tags]
        if samples in (2, 4):
            fields.append((338, 3, [2]))
        entries = b""
        for number, kind, values in sorted(fields):
            raw = values.encode() + b"\0" if kind == 2 else \
                struct.pack(f"<{len(values)}{TIFF_TYPES[kind][0]}", *values)
            count = len(values) // (2 if kind == 5 else 1) + (kind == 2)
            if len(raw) > 4:
                where = len(data)
                data += raw + b"\0" * (len(raw) % 2)
                raw = struct.pack("<I", where)
            entries += struct.pack("<HHI", number, kind, count) + raw.ljust(4, b"\0")
        struct.pack_into("<I", data, place, len(data))
        data += struct.pack("<H", len(entries) // 12) + entries
        place = len(data)
        data += b"\0\0\0\0"
    path.write_bytes(bytes(data))


def tiff_pages(path):
    """The tags of each page, {number: values}; the file's bytes."""
    data = path.read_bytes()
    assert data[:4] == b"II*\0", data[:4]
    (place,), found = struct.unpack_from("<I", data, 4), []
    while place:
        (count,) = struct.unpack_from("<H", data, place)
        tags = {}
        for i in range(count):
            number, kind, values = struct.unpack_from("<HHI", data, place + 2 + 12 * i)
            size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind] * values
            at = place + 2 + 12 * i + 8
            if size > 4:
                (at,) = struct.unpack_from("<I", data, at)
            form = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B"}[kind]
            tags[number] = struct.unpack_from(f"<{values * (2 if kind == 5 else 1)}{form}", data, at)
        found.append(tags)
        (place,) = struct.unpack_from("<I", data, place + 2 + 12 * count)
    return found, data


def read_tiff(path):
    """Pixels of each page of an uncompressed file."""
    pages, data = tiff_pages(path)
    found = []
    for tags in pages:
        assert tags[259] == (1,), "compressed"
        samples = tags[277][0]
        kind = {(8, 1): np.uint8, (16, 1): np.uint16, (32, 3): np.float32}[
            tags[258][0], tags.get(339, (1,))[0]]
        strips = zip(tags[273], tags[279])
        raw = b"".join(data[at : at + size] for at, size in strips)
        found.append(np.frombuffer(raw, kind).reshape(tags[257][0], tags[256][0], samples))
    return found
