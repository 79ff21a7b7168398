#include "copy_lines.h"

#include <cstring>

namespace snapheap {
namespace {

constexpr size_t kHeaderBytes = 5;
constexpr uint8_t kCopyData = 'd';

uint8_t Unescaped(uint8_t letter) {
  switch (letter) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return letter;
  }
}

// Resolves the escapes of a field in place. Returns its new end, -1 for NULL.
int32_t ResolveEscapes(uint8_t* bytes, size_t start, size_t end) {
  if (end - start == 2 && bytes[start] == '\\' && bytes[start + 1] == 'N') return -1;
  size_t write = start;
  for (size_t read = start; read < end; read++) {
    uint8_t byte = bytes[read];
    if (byte == '\\') byte = Unescaped(bytes[++read]);
    bytes[write++] = byte;
  }
  return static_cast<int32_t>(write);
}

// The length of the message at `position`, 0 unless it is CopyData, whole, and not empty.
size_t CopyDataBytes(const uint8_t* bytes, size_t size, size_t position) {
  if (size - position <= kHeaderBytes || bytes[position] != kCopyData) return 0;
  const uint8_t* length = bytes + position + 1;
  const uint32_t payload = (uint32_t{length[0]} << 24) | (uint32_t{length[1]} << 16) | (uint32_t{length[2]} << 8) | length[3];
  if (payload < kHeaderBytes || payload >= size - position) return 0;
  return size_t{payload} + 1;
}

// Finds the fields of the line [start, end), whose last byte is its newline. False when it is not one line of so many
// fields.
bool FindFields(const uint8_t* bytes, size_t start, size_t end, const Fields& fields, size_t line, bool* has_escapes) {
  size_t field = 0;
  size_t field_start = start;
  *has_escapes = false;
  for (size_t i = start; i < end; i++) {
    const uint8_t byte = bytes[i];
    if (byte > '\n' && byte != '\\') continue;
    if (byte == '\\') {
      *has_escapes = true;
      i++;  // whatever follows belongs to the escape
    } else if (byte == '\t' || byte == '\n') {
      if (field == fields.per_line || (byte == '\n') != (i + 1 == end)) return false;
      fields.starts[field * fields.capacity + line] = static_cast<int32_t>(field_start);
      fields.ends[field * fields.capacity + line] = static_cast<int32_t>(i);
      field++;
      field_start = i + 1;
    }
  }
  return field == fields.per_line && field_start == end;
}

}  // namespace

SplitResult SplitLines(uint8_t* bytes, size_t size, size_t position, const Fields& fields, size_t first) {
  size_t line = first;
  for (; line < fields.capacity; line++) {
    const size_t length = CopyDataBytes(bytes, size, position);
    bool has_escapes = false;
    if (length == 0) break;
    if (!FindFields(bytes, position + kHeaderBytes, position + length, fields, line, &has_escapes)) break;
    for (size_t at = line; has_escapes && at < fields.per_line * fields.capacity; at += fields.capacity) {
      const auto start = static_cast<size_t>(fields.starts[at]);
      const auto end = static_cast<size_t>(fields.ends[at]);
      if (memchr(bytes + start, '\\', end - start) != nullptr) fields.ends[at] = ResolveEscapes(bytes, start, end);
    }
    position += length;
  }
  return {position, line - first};
}

}  // namespace snapheap
