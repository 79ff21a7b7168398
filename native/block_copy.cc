#include "block_copy.h"

#include <cstring>

#include "bytes.h"

namespace snapheap {

bool CopyBlock(Bytes target, uint64_t target_offset, Bytes source, uint64_t source_offset, uint64_t size) {
  if (!IsInside(target_offset, size, target.size) || !IsInside(source_offset, size, source.size)) return false;
  if (size > 0) memmove(target.data + target_offset, source.data + source_offset, static_cast<size_t>(size));
  return true;
}

}  // namespace snapheap
