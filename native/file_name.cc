#include "file_name.h"

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

namespace snapheap {

namespace {

struct Identity {
  uint64_t inode;
  uint64_t device;
  uint64_t size_bytes;
};

#ifdef STATX_INO
// Asks for no times. Linux 6.13 and later give a file a time of its own for the next write after someone has read its
// times, which makes the sync of that write a third slower.
constexpr unsigned int kFields = STATX_TYPE | STATX_INO | STATX_SIZE;

// False where the system knows no statx, or the file is not there.
bool IdentifyWithoutTimes(int folder, const char* path, int flags, Identity* found) {
  struct statx fields = {};
  if (statx(folder, path, flags, kFields, &fields) != 0 || (fields.stx_mask & kFields) != kFields) return false;
  *found = {fields.stx_ino, (static_cast<uint64_t>(fields.stx_dev_major) << 32) | fields.stx_dev_minor, fields.stx_size};
  return true;
}
#endif

bool Identify(int folder, const char* path, int flags, Identity* found) {
#ifdef STATX_INO
  if (IdentifyWithoutTimes(folder, path, flags, found)) return true;
#endif
  struct stat fields;
  if ((folder == AT_FDCWD ? stat(path, &fields) : fstat(folder, &fields)) != 0) return false;
  *found = {static_cast<uint64_t>(fields.st_ino), static_cast<uint64_t>(fields.st_dev),
            static_cast<uint64_t>(fields.st_size)};
  return true;
}

}  // namespace

FileName::FileName(std::string path, int fd) : path_(std::move(path)) {
  Identity open;
#ifdef STATX_INO
  constexpr int kFlags = AT_EMPTY_PATH;
#else
  constexpr int kFlags = 0;
#endif
  is_known_ = fd >= 0 && Identify(fd, "", kFlags, &open);
  if (!is_known_) return;
  inode_ = open.inode;
  device_ = open.device;
}

bool FileName::IsInPlace(uint64_t size_bytes) const {
  Identity named;
  return is_known_ && Identify(AT_FDCWD, path_.c_str(), 0, &named) && named.inode == inode_ && named.device == device_ &&
         named.size_bytes >= size_bytes;
}

}  // namespace snapheap

#endif
