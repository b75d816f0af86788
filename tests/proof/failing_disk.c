// Preloaded into a program, makes its disk fail: as long as the file that APK_DISK_FAULT names says
// "sync", nothing under APK_DISK_FAULT_UNDER can be synced (EIO); while it says "full", nothing there can
// be written (ENOSPC).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// By system calls: open and read may be interposed by others.
static int Says(const char* word) {
  const char* const control = getenv("APK_DISK_FAULT");
  if (control == NULL) return 0;
  const int before = errno;
  char text[16] = {0};
  const long file = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
  if (file >= 0) {
    syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
  }
  errno = before;
  return strncmp(text, word, strlen(word)) == 0;
}

static int IsUnder(int file) {
  const char* const under = getenv("APK_DISK_FAULT_UNDER");
  char link[64];
  char path[PATH_MAX];
  if (under == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return 0;
  path[size] = '\0';
  return strncmp(path, under, strlen(under)) == 0;
}

static int Fails(int file, const char* word, int error) {
  if (!Says(word) || !IsUnder(file)) return 0;
  errno = error;
  return 1;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fsync(int file) {
  REAL(fsync);
  return Fails(file, "sync", EIO) ? -1 : real(file);
}

int fdatasync(int file) {
  REAL(fdatasync);
  return Fails(file, "sync", EIO) ? -1 : real(file);
}

ssize_t write(int file, const void* data, size_t size) {
  REAL(write);
  return Fails(file, "full", ENOSPC) ? -1 : real(file, data, size);
}

ssize_t pwrite64(int file, const void* data, size_t size, off64_t offset) {
  REAL(pwrite64);
  return Fails(file, "full", ENOSPC) ? -1 : real(file, data, size, offset);
}

ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  REAL(pwrite);
  return Fails(file, "full", ENOSPC) ? -1 : real(file, data, size, offset);
}
