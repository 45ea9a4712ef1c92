// Task: what a fiber is to do. Like std::function<void()>, but it may own what cannot be copied.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace keelson {

class Task {
 public:
  Task() = default;
  template <typename Body>
    requires(!std::is_same_v<std::decay_t<Body>, Task>)
  Task(Body body) : body_(std::make_unique<Holder<Body>>(std::move(body))) {}

  // REQUIRES: not empty.
  void operator()() { body_->run(); }

 private:
  struct Runnable {
    virtual ~Runnable() = default;
    virtual void run() = 0;
  };
  template <typename Body>
  struct Holder : Runnable {
    explicit Holder(Body b) : body(std::move(b)) {}
    void run() override { body(); }
    Body body;
  };

  std::unique_ptr<Runnable> body_;
};

}  // namespace keelson
