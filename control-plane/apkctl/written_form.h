// Objects as a user writes them. Pure.
#pragma once

#include <google/protobuf/message.h>

namespace apk {

// Takes away what the control plane alone writes: status, and uid, resourceVersion, generation,
// creationTimestamp and managedFields of the metadata.
void DropOwned(google::protobuf::Message& object);

}  // namespace apk
