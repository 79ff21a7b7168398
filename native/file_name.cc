#include "file_name.h"

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>

namespace snapheap {

namespace {

struct Identity {
  uint64_t inode;
  uint64_t device;
  uint64_t size_bytes;
};

#ifdef STATX_INO
// Asks for no times. Linux 6.13 and later give a file a time of its own for the next write after someone has read its times,
// which makes the sync of that write a third slower.
constexpr unsigned int kFields = STATX_TYPE | STATX_INO | STATX_SIZE;

// False where the system knows no statx, or the file is not there.
bool IdentifyWithoutTimes(int folder, const char* path, int flags, Identity* found) {
  struct statx fields = {};
  if (statx(folder, path, flags, kFields, &fields) != 0 || (fields.stx_mask & kFields) != kFields) return false;
  *found = {fields.stx_ino, (static_cast<uint64_t>(fields.stx_dev_major) << 32) | fields.stx_dev_minor, fields.stx_size};
  return true;
}
#endif

Identity IdentityOf(const struct stat& fields) {
  return {static_cast<uint64_t>(fields.st_ino), static_cast<uint64_t>(fields.st_dev),
          static_cast<uint64_t>(fields.st_size)};
}

bool IsSame(const Identity& named, const Identity& open, uint64_t size_bytes) {
  return named.inode == open.inode && named.device == open.device && open.size_bytes >= size_bytes;
}

}  // namespace

bool NamesFile(const std::string& path, int fd, uint64_t size_bytes) {
#ifdef STATX_INO
  Identity named;
  Identity open;
  if (IdentifyWithoutTimes(AT_FDCWD, path.c_str(), 0, &named) && IdentifyWithoutTimes(fd, "", AT_EMPTY_PATH, &open))
    return IsSame(named, open, size_bytes);
#endif
  struct stat by_name;
  struct stat by_descriptor;
  if (stat(path.c_str(), &by_name) != 0 || fstat(fd, &by_descriptor) != 0) return false;
  return IsSame(IdentityOf(by_name), IdentityOf(by_descriptor), size_bytes);
}

}  // namespace snapheap

#endif
