#pragma once

#ifndef _WIN32

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <vector>

namespace snapheap {

struct ByteRange {
  const uint8_t* bytes;
  size_t size;
};

// Writes ranges one behind the other into a file from `offset` on, all of them unless it returns an error. Where the
// kernel has such a call (Linux) it then begins to write them to the device, so that the sync that follows has less to
// do: a hint, whose errors are left to that sync.
std::error_code WriteFile(int fd, uint64_t offset, const std::vector<ByteRange>& ranges);

}  // namespace snapheap

#endif
