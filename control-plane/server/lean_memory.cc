// Thousands of connections that mostly wait. gRPC makes its TLS contexts itself and has no word for
// their mode, so that SSL_CTX_new is replaced for this program.
#include "control-plane/server/lean_memory.h"

#include <dlfcn.h>
#include <malloc.h>
#include <openssl/ssl.h>

#include <cstring>

namespace apk {

void UseMemoryLeanly() { mallopt(M_ARENA_MAX, 1); }

}  // namespace apk

// As OpenSSL's own, but that a connection which has nothing to read or write holds no buffers of
// records: 33 KiB each.
extern "C" SSL_CTX* SSL_CTX_new(const SSL_METHOD* method) {
  using New = SSL_CTX* (*)(const SSL_METHOD*);
  static const New next = [] {
    void* const found = dlsym(RTLD_NEXT, "SSL_CTX_new");
    New function = nullptr;
    std::memcpy(&function, &found, sizeof function);
    return function;
  }();
  SSL_CTX* const context = next(method);
  if (context != nullptr) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}
