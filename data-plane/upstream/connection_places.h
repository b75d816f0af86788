// How many connections a backend may have over all workers of an agent, and who waits for one.
// Thread-safe; the lock is taken only while somebody waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace apk {

class ConnectionPlaces {
 public:
  // Somebody who waits for a place.
  class Waiter {
   public:
    // Waiters of one `owner` can use each other's connections.
    explicit Waiter(const void* owner) : owner_(owner) {}
    virtual ~Waiter() = default;
    // It has a place now. Called by any thread, maybe with the lock held: it only passes that on.
    virtual void Wake() = 0;

   private:
    friend class ConnectionPlaces;
    const void* const owner_;
    bool granted_ = false;
  };

  // Somebody who may keep connections that nobody uses: they take places that others wait for.
  class Holder {
   public:
    virtual ~Holder() = default;
    // One of them is wanted. As Waiter::Wake.
    virtual void AskForOne() = 0;
    void SetIdle(size_t idle) { idle_.store(idle, std::memory_order_relaxed); }

   private:
    friend class ConnectionPlaces;
    std::atomic<size_t> idle_{0};
  };

  // Who gets a connection that is free again, place included.
  enum class Next : uint8_t {
    kNobody,  // Nobody waits: it is the owner's to keep.
    kOwn,     // One of its own.
    kOther,   // One who needs another connection, and has the place for it.
  };
  struct Passed {
    Next next = Next::kNobody;
    std::shared_ptr<Waiter> waiter;  // Who it is; not woken yet.
  };

  // May change while places are taken.
  void SetMax(uint32_t max) {
    if (max_.load(std::memory_order_relaxed) != max) ChangeMax(max);
  }
  // Takes a place; false where there is none, or somebody waits for one.
  bool TryEnter() { return waiting_.load() == 0 && TryCount(); }
  // Takes one whatever the limit says.
  void Enter() { taken_.fetch_add(1); }
  void Leave();

  // Queues up; woken when it has a place, which may be before this returns.
  void Wait(std::shared_ptr<Waiter> waiter);
  // It waits no longer; true where it has a place.
  bool Withdraw(const std::shared_ptr<Waiter>& waiter);
  // A connection of `owner`, with a place, is free. The longest waiting one is next, but for one of
  // the owner's own: those save a connection, so they go first, within bounds.
  Passed PassOn(const void* owner);

  // From now on it is asked. Both outlive Part.
  void Join(Holder& holder);
  void Part(Holder& holder);

  bool wanted() const { return waiting_.load(std::memory_order_relaxed) > 0; }
  uint32_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kPassedOverMax = 16;

  void ChangeMax(uint32_t max);
  bool TryCount();
  void Grant();  // REQUIRES: mutex_ is held.

  std::atomic<uint32_t> max_{0};
  std::atomic<uint32_t> taken_{0};
  std::atomic<uint32_t> waiting_{0};  // Written under mutex_.
  std::mutex mutex_;
  std::list<std::shared_ptr<Waiter>> queue_;
  std::vector<Holder*> holders_;
  int passed_over_ = 0;  // Times in a row that the first of the queue was.
};

// A place that is taken, or none; given back by its end.
class ConnectionPlace {
 public:
  ConnectionPlace() = default;
  explicit ConnectionPlace(std::shared_ptr<ConnectionPlaces> taken) : places_(std::move(taken)) {}
  ConnectionPlace(ConnectionPlace&& other) noexcept : places_(std::move(other.places_)) {}
  ConnectionPlace& operator=(ConnectionPlace&& other) noexcept {
    if (this != &other) {
      Leave();
      places_ = std::move(other.places_);
    }
    return *this;
  }
  ~ConnectionPlace() { Leave(); }

  bool taken() const { return places_ != nullptr; }
  void Leave() {
    if (places_ != nullptr) std::exchange(places_, nullptr)->Leave();
  }
  // It is somebody else's now.
  void Forget() { places_ = nullptr; }

 private:
  std::shared_ptr<ConnectionPlaces> places_;
};

}  // namespace apk
