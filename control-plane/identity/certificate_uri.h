// Whom a certificate is for, where OpenSSL and not gRPC has verified it. Pure.
#pragma once

#include <string>

typedef struct x509_st X509;

namespace apk {

// The first URI of the trust domain among its alternative names; "" where there is none.
std::string UriOf(const X509* certificate);

}  // namespace apk
