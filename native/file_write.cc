#include "file_write.h"

#ifndef _WIN32

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

static_assert(sizeof(off_t) == sizeof(uint64_t), "offsets of files have 64 bits");

namespace snapheap {
namespace {

// Written with one call. For larger ones Linux takes larger pieces of memory into its page cache. In a virtual machine
// its host has to find most of those first: several times as slow.
constexpr size_t kMostBytesACall = size_t{1} << 16;

std::error_code WriteRange(int fd, uint64_t offset, ByteRange range) {
  while (range.size > 0) {
    const ssize_t count = pwrite(fd, range.bytes, std::min(range.size, kMostBytesACall), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    // no progress, but no error either: a broken file system
    if (count <= 0) return {count < 0 ? errno : EIO, std::system_category()};
    range = {range.bytes + count, range.size - static_cast<size_t>(count)};
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

}  // namespace

std::error_code WriteFile(int fd, uint64_t offset, const std::vector<ByteRange>& ranges) {
  uint64_t end = offset;
  for (const ByteRange& range : ranges) {
    const std::error_code error = WriteRange(fd, end, range);
    if (error) return error;
    end += range.size;
  }
#ifdef __linux__
  // a size of 0 would mean to the end of the file
  if (end > offset) {
    sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(end - offset), SYNC_FILE_RANGE_WRITE);
  }
#endif
  return {};
}

}  // namespace snapheap

#endif
