// Early return for absl::Status and absl::StatusOr.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

#define APK_CONCAT_INNER(a, b) a##b
#define APK_CONCAT(a, b) APK_CONCAT_INNER(a, b)

// Returns the status of `expression` from this function unless it is OK.
#define RETURN_IF_ERROR(expression)                                                  \
  do {                                                                               \
    if (absl::Status apk_status = (expression); !apk_status.ok()) return apk_status; \
  } while (false)

// ASSIGN_OR_RETURN(auto value, Compute());
#define ASSIGN_OR_RETURN(declaration, expression)                                         \
  auto APK_CONCAT(apk_or_, __LINE__) = (expression);                                      \
  if (!APK_CONCAT(apk_or_, __LINE__).ok()) return APK_CONCAT(apk_or_, __LINE__).status(); \
  declaration = *std::move(APK_CONCAT(apk_or_, __LINE__))
