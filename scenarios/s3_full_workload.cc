#include "scenarios/s3_full_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/api/digest.h"
#include "core/api/http.h"
#include "core/api/xml.h"
#include "scenarios/client_trace.h"
#include "scenarios/cluster.h"
#include "scenarios/s3_client.h"
#include "scenarios/words.h"
#include "sim/machine.h"

namespace keelson::scenarios {

namespace {

using Kind = BucketCall::Kind;
using std::chrono::milliseconds;

// Some fold, some are prefixes of others, and one is to be escaped.
constexpr const char* kKeys[] = {"a", "a/1", "a/2", "b+&/c", "z"};

std::string etag_of(BytesView body) { return to_hex(api::md5(body)); }

std::string etag_of(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all += api::md5(part);
  return to_hex(api::md5(all)) + "-" + std::to_string(parts.size());
}

std::string unquoted(std::string_view etag) {
  if (etag.size() < 2) return std::string(etag);
  return std::string(etag.substr(1, etag.size() - 2));
}

std::string parts_xml(const std::vector<Bytes>& parts) {
  std::string xml = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>\"{}\"</ETag></Part>", i + 1,
                       etag_of(parts[i]));
  }
  return xml + "</CompleteMultipartUpload>";
}

// "PUT /bucket/a, If-None-Match: *".
std::string say(const HttpRequest& request) {
  std::string words = request.method + " " + request.target;
  for (const HttpField& field : request.headers) words += ", " + field.name + ": " + field.value;
  return words;
}

// The status, what an error is called, and the ETag: "404 NoSuchKey".
std::string say_answer(const HttpResponse& response, const std::string& error) {
  const std::string* const etag = response.header("ETag");
  return fmt::format("{}{}{}", response.status, error.empty() ? "" : " " + error,
                     etag == nullptr ? "" : ", ETag " + *etag);
}

}  // namespace

struct S3FullWorkload::Client {
  Env& env;
  sim::Machine& machine;
  const std::uint32_t number;
  sim::ChoiceStream& chance;
  std::size_t node = 1;
  std::map<std::size_t, std::unique_ptr<HttpClient>> connections = {};
  std::map<std::string, std::string> last_etag = {};  // By key, as last read.

  std::string draw_key() { return kKeys[chance.choose(std::size(kKeys))]; }
};

// What came of a request.
struct S3FullWorkload::Told {
  Outcome outcome = Outcome::unknown;
  int status = 0;
  std::string error = {};  // <Code>.
  HttpResponse response = {};

  bool is_refusal(int wanted, std::string_view code) const {
    return status == wanted && error == code;
  }
};

S3FullWorkload::S3FullWorkload(sim::World& world, const S3FullOptions& options, Report& report)
    : world_(world), options_(options), report_(report) {
  for (std::size_t client = 1; client <= options_.clients; ++client) {
    machines_.push_back(&world_.add_machine(fmt::format("f{}", client)));
  }
}

void S3FullWorkload::start() {
  for (std::uint32_t number = 1; number <= options_.clients; ++number) {
    machines_[number - 1]->start([this, number](Env& env) { run_client(env, number); });
  }
}

void S3FullWorkload::run_client(Env& env, std::uint32_t number) {
  ++working_;
  Client client{env, *machines_[number - 1], number,
                world_.choices().stream(fmt::format("full/{}/op", number))};
  if (number == 1) set_up(client);
  while (!is_set_up_) env.scheduler.sleep_for(milliseconds(20));
  while (!is_stopping_) {
    client.chance.begin_item();
    const auto spread = static_cast<std::uint64_t>(1 + options_.interval.count());
    env.scheduler.sleep_for(options_.interval * 3 / 2 -
                            Duration(static_cast<std::int64_t>(client.chance.choose(spread))));
    work(client);
  }
  while (number == 1 && !is_settled_) {
    env.scheduler.sleep_for(milliseconds(50));
    if (is_settling_) is_settled_ = read_all(client);
  }
  --working_;
}

void S3FullWorkload::set_up(Client& client) {
  while (!is_set_up_) {
    const Told told = ask(client, {.method = "PUT", .target = "/" + options_.bucket});
    is_set_up_ = told.outcome == Outcome::ok || told.error == "BucketAlreadyOwnedByYou";
    if (!is_set_up_) client.env.scheduler.sleep_for(milliseconds(50));
  }
}

void S3FullWorkload::work(Client& client) {
  const bool moves = client.chance.chance(200'000);
  if (moves) client.node = 1 + client.chance.choose(options_.nodes);
  switch (client.chance.choose(10)) {
    case 0: case 1: (void)get(client, client.draw_key()); return;
    case 2: case 3: case 4: return put(client);
    case 5: return remove(client);
    case 6: return copy(client);
    case 7: case 8: return list(client);
    default: return upload(client);
  }
}

bool S3FullWorkload::read_all(Client& client) {
  std::string token;
  const auto listed = list_page(client, {.kind = Kind::list, .keys = {}}, token);
  if (!listed) return false;
  // A node that is out of the core for good does not answer; whoever does not moves the client on.
  for (const std::string& entry : listed->entries) {
    bool is_answered = false;
    for (std::size_t node = 0; node < options_.nodes && !is_answered; ++node) {
      is_answered = get(client, entry.substr(0, entry.find(' ')));
    }
    if (!is_answered) return false;
  }
  return true;
}

// --- operations ---

// False if it was not answered.
bool S3FullWorkload::get(Client& client, const std::string& key) {
  const std::size_t op = called(client, {.kind = Kind::get, .keys = {key}});
  const Told told = ask(client, {.target = target(key)});
  if (told.outcome == Outcome::ok) {
    const std::string* const header = told.response.header("ETag");
    const std::string etag = header == nullptr ? "" : unquoted(*header);
    // That of an upload in parts is no MD5 of the whole, and says nothing about the octets.
    if (etag.find('-') == std::string::npos && etag != etag_of(told.response.body)) {
      report_.fail("s3 protocol", "etag", fmt::format("the ETag of {} is {}", key, etag),
                   world_.now());
    }
    client.last_etag[key] = etag;
    returned(op, Outcome::ok, {.etag = etag});
    return true;
  }
  const bool is_absent = told.is_refusal(404, "NoSuchKey");
  if (is_absent) client.last_etag.erase(key);
  returned(op, is_absent ? Outcome::ok : Outcome::fail);
  return is_absent;
}

void S3FullWorkload::put(Client& client) {
  const std::string key = client.draw_key();
  const Bytes body = new_body(client, 0);
  BucketCall call{.kind = Kind::put, .keys = {key}, .etag = etag_of(body)};
  HttpRequest request{.method = "PUT", .target = target(key), .body = body};
  const auto last = client.last_etag.find(key);
  switch (client.chance.choose(4)) {
    case 2:
      call.kind = Kind::put_if_absent;
      request.headers.push_back({"If-None-Match", "*"});
      break;
    case 3:
      if (last == client.last_etag.end()) break;
      call.kind = Kind::put_if_match;
      call.expected = last->second;
      request.headers.push_back({"If-Match", '"' + call.expected + '"'});
      break;
    default: break;
  }
  const std::size_t op = called(client, call);
  const Told told = ask(client, std::move(request));
  const bool is_conditional = call.kind != Kind::put;
  const bool is_refused =
      is_conditional && (told.status == 412 || told.is_refusal(404, "NoSuchKey"));
  if (is_refused) report_.reached("s3 full: a condition was refused");
  if (is_refused) return returned(op, Outcome::ok, {.condition_held = false});
  if (told.outcome == Outcome::ok) client.last_etag[key] = call.etag;
  returned(op, told.outcome);
}

void S3FullWorkload::remove(Client& client) {
  BucketCall call{.kind = Kind::remove, .keys = {client.draw_key()}};
  HttpRequest request{.method = "DELETE", .target = target(call.keys[0])};
  if (client.chance.chance(500'000)) {
    call.keys.push_back(client.draw_key());
    std::string xml = "<Delete><Quiet>true</Quiet>";
    for (const std::string& key : call.keys) {
      // The keys have one character that XML does not take.
      const std::size_t ampersand = key.find('&');
      std::string escaped = key;
      if (ampersand != std::string::npos) escaped.replace(ampersand, 1, "&amp;");
      xml += "<Object><Key>" + escaped + "</Key></Object>";
    }
    xml += "</Delete>";
    request = {.method = "POST",
               .target = "/" + options_.bucket + "?delete",
               .headers = {{"Content-MD5", api::base64_encode(api::md5(xml))}},
               .body = xml};
  }
  const std::size_t op = called(client, call);
  const Told told = ask(client, std::move(request));
  if (told.outcome == Outcome::ok && call.keys.size() > 1) {
    report_.reached("s3 full: two objects were deleted at once");
  }
  returned(op, told.outcome);
}

// Always on condition that the source is what was read last: a copy reads at one moment and writes
// at a later one, and both are judged.
void S3FullWorkload::copy(Client& client) {
  const std::string from = client.draw_key(), to = client.draw_key();
  const auto last = client.last_etag.find(from);
  // An object that came in parts gets another ETag, which only the octets tell.
  if (last == client.last_etag.end() || last->second.find('-') != std::string::npos) return;
  if (from == to) return;
  const std::string etag = last->second;
  const std::size_t read =
      called(client, {.kind = Kind::expect, .keys = {from}, .expected = etag});
  const std::size_t write = called(client, {.kind = Kind::put, .keys = {to}, .etag = etag});
  const Told told = ask(client, {.method = "PUT",
                                 .target = target(to),
                                 .headers = {{"x-amz-copy-source", target(from)},
                                             {"x-amz-copy-source-if-match", '"' + etag + '"'}}});
  if (told.outcome == Outcome::ok) {
    report_.reached("s3 full: an object was copied");
    returned(read, Outcome::ok);
    return returned(write, Outcome::ok);
  }
  const bool is_refused = told.status == 412 || told.is_refusal(404, "NoSuchKey");
  if (is_refused) {
    returned(read, Outcome::ok, {.condition_held = false});
  } else {
    returned(read, Outcome::fail);
  }
  returned(write, told.outcome);
}

void S3FullWorkload::list(Client& client) {
  BucketCall call{.kind = Kind::list, .keys = {}};
  constexpr const char* kPrefixes[] = {"", "a", "a/"};
  call.prefix = kPrefixes[client.chance.choose(3)];
  if (client.chance.chance(400'000)) call.delimiter = "/";
  call.limit = 1 + client.chance.choose(4);
  std::string token;
  while (true) {
    const bool goes_on = !token.empty();
    const auto page = list_page(client, call, token);
    if (page && goes_on) report_.reached("s3 full: a listing went on elsewhere");
    if (!page || token.empty()) return;
    client.node = 1 + client.node % options_.nodes;
    call.after = page->entries.back().substr(0, page->entries.back().find(' '));
  }
}

// Nothing if it was not answered. `token` is of the page before, if there was one, and becomes that
// of this page, if there are more.
std::optional<BucketAnswer> S3FullWorkload::list_page(Client& client, BucketCall call,
                                                      std::string& token) {
  HttpRequest request{.target = fmt::format(
                          "/{}?list-type=2&encoding-type=url&max-keys={}&prefix={}&delimiter={}",
                          options_.bucket, call.limit, call.prefix, call.delimiter)};
  if (!token.empty()) request.target += "&continuation-token=" + api::percent_encode(token);
  const std::size_t op = called(client, call);
  const Told told = ask(client, std::move(request));
  if (told.outcome != Outcome::ok) {
    returned(op, Outcome::fail);
    return std::nullopt;
  }
  token.clear();
  const auto xml = api::parse_xml(told.response.body);
  BucketAnswer answer;
  for (const api::XmlElement& element : xml ? (*xml).children : std::vector<api::XmlElement>{}) {
    if (element.name == "Contents") {
      answer.entries.push_back(*api::percent_decode(element.get("Key")) + " " +
                               unquoted(element.get("ETag")));
    } else if (element.name == "CommonPrefixes") {
      answer.entries.push_back(*api::percent_decode(element.get("Prefix")));
    } else if (element.name == "IsTruncated") {
      answer.is_truncated = element.text == "true";
    } else if (element.name == "NextContinuationToken") {
      token = element.text;
    }
  }
  // S3 gives objects and common prefixes apart from each other.
  std::sort(answer.entries.begin(), answer.entries.end(), [](const auto& a, const auto& b) {
    return a.substr(0, a.find(' ')) < b.substr(0, b.find(' '));
  });
  report_.reached("s3 full: a page was listed");
  returned(op, Outcome::ok, answer);
  if (answer.is_truncated != !token.empty() || (answer.is_truncated && answer.entries.empty())) {
    report_.fail("s3 protocol", "page", "a page says that there are more and not where",
                 world_.now());
  }
  return answer;
}

// --- uploads in parts ---

void S3FullWorkload::upload(Client& client) {
  const std::string key = client.draw_key();
  const Told begun = ask(client, {.method = "POST", .target = target(key, "?uploads")});
  const auto xml = api::parse_xml(begun.response.body);
  if (begun.outcome != Outcome::ok || !xml) return;
  const std::string query = "?uploadId=" + std::string((*xml).get("UploadId"));
  std::vector<Bytes> parts;
  for (std::size_t left = client.chance.choose(3); left > 0; --left) {
    parts.push_back(new_body(client, options_.part_bytes_min));
  }
  parts.push_back(new_body(client, 0));
  if (!send_parts(client, target(key, query), parts)) return;  // Left behind, for the collector.
  const std::size_t op =
      called(client, {.kind = Kind::put, .keys = {key}, .etag = etag_of(parts)});
  if (client.chance.chance(800'000)) return complete(client, target(key, query), parts, op);
  const Told aborted = ask(client, {.method = "DELETE", .target = target(key, query)});
  if (aborted.outcome == Outcome::ok) report_.reached("s3 full: an upload was aborted");
  returned(op, Outcome::fail);  // Nobody has asked for its completion.
}

// In any order; a part whose fate is not known is sent again.
bool S3FullWorkload::send_parts(Client& client, const std::string& target,
                                const std::vector<Bytes>& parts) {
  for (std::size_t number = parts.size(); number > 0; --number) {
    Told told;
    for (int attempt = 0; attempt < 3 && told.outcome != Outcome::ok; ++attempt) {
      told = ask(client, {.method = "PUT",
                          .target = fmt::format("{}&partNumber={}", target, number),
                          .body = parts[number - 1]});
    }
    if (told.outcome != Outcome::ok) return false;
  }
  return true;
}

// Whoever does not hear the answer asks again, or aborts: either tells what had happened.
void S3FullWorkload::complete(Client& client, const std::string& target,
                              const std::vector<Bytes>& parts, std::size_t op) {
  bool may_have_happened = false;
  bool may_be_aborted = false;
  for (int attempt = 0; attempt < 4; ++attempt) {
    if (may_have_happened && client.chance.chance(300'000)) {
      const Told aborted = ask(client, {.method = "DELETE", .target = target});
      if (aborted.outcome == Outcome::ok) {
        report_.reached("s3 full: an upload of unknown outcome was aborted");
        return returned(op, Outcome::fail);
      }
      if (aborted.is_refusal(404, "NoSuchUpload") && !may_be_aborted) {
        return returned(op, Outcome::ok);
      }
      may_be_aborted = may_be_aborted || aborted.outcome == Outcome::unknown;
      continue;
    }
    // Some answers get lost although the network is well.
    Manners manners;
    if (attempt == 0 && client.chance.chance(250'000)) manners.kind = Manners::Kind::leave;
    const Told told =
        ask(client, {.method = "POST", .target = target, .body = parts_xml(parts)}, manners);
    if (told.outcome == Outcome::ok) {
      report_.reached(may_have_happened ? "s3 full: an upload was completed again"
                                        : "s3 full: an upload was completed");
      return returned(op, Outcome::ok);
    }
    // What was completed is remembered, so this was not.
    if (may_be_aborted && told.is_refusal(404, "NoSuchUpload")) return returned(op, Outcome::fail);
    if (told.status > 0 && told.status < 500) {
      report_.fail("s3 protocol", "complete",
                   fmt::format("an upload was not completed: {} {}", told.status, told.error),
                   world_.now());
    }
    may_have_happened = may_have_happened || told.outcome == Outcome::unknown;
  }
  returned(op, may_have_happened ? Outcome::unknown : Outcome::fail);
}

// --- asking ---

S3FullWorkload::Told S3FullWorkload::ask(Client& client, HttpRequest request,
                                         const Manners& manners) {
  auto& connection = client.connections[client.node];
  if (!connection) {
    connection = std::make_unique<HttpClient>(client.env.network, client.env.scheduler,
                                              Cluster::address(client.node, kS3Port));
  }
  const bool is_write = request.method != "GET";
  const std::uint64_t traced =
      trace_call(client.machine, say(request), fmt::format("n{}", client.node));
  CallResult result =
      connection->call(request, Deadline::in(client.env.clock, options_.patience), manners);
  Told told{.response = std::move(result.response)};
  switch (result.end) {
    case CallResult::End::never_sent: told.outcome = Outcome::fail; break;
    case CallResult::End::unknown:
      told.outcome = is_write ? Outcome::unknown : Outcome::fail;
      break;
    case CallResult::End::malformed:
      report_.fail("s3 protocol", "not HTTP", "not HTTP/1.1: " + result.why, world_.now());
      break;
    case CallResult::End::answered:
      told.status = told.response.status;
      told.outcome = classify_s3(told.response, is_write);
      if (told.status >= 300) told.error = s3_error_code(told.response.body);
      break;
  }
  trace_return(client.machine, traced, told.outcome,
               told.status == 0 ? result.why : say_answer(told.response, told.error));
  const bool is_bad = told.status == 0 || told.status >= 500;
  if (is_bad) client.node = 1 + client.node % options_.nodes;
  return told;
}

std::size_t S3FullWorkload::called(Client& client, BucketCall call) {
  operations_.push_back({.call = std::move(call),
                         .who = fmt::format("f{} at n{} ({})", client.number, client.node,
                                            say(world_.now()))});
  events_.push_back({operations_.size() - 1, false});
  return operations_.size() - 1;
}

void S3FullWorkload::returned(std::size_t op, Outcome outcome, BucketAnswer answer) {
  operations_[op].outcome = outcome;
  operations_[op].answer = std::move(answer);
  if (outcome != Outcome::unknown) events_.push_back({op, true});
}

Bytes S3FullWorkload::new_body(Client& client, std::size_t bytes_min) {
  Bytes body = fmt::format("b{}", next_body_++);
  body.resize(std::max(bytes_min, body.size()) + client.chance.choose(options_.body_bytes_most),
              '.');
  return body;
}

std::string S3FullWorkload::target(const std::string& key, const std::string& query) const {
  return "/" + options_.bucket + "/" + api::percent_encode(key, /*keep_slash=*/true) + query;
}

void S3FullWorkload::check() {
  const std::vector<bool> left_out = unnoticed(operations_);
  std::vector<checker::HistoryEvent> evidence;
  for (const checker::HistoryEvent& event : events_) {
    const Outcome outcome = operations_[event.op].outcome;
    if (!left_out[event.op] && outcome != Outcome::fail) evidence.push_back(event);
  }
  for (const BucketOperation& operation : operations_) {
    report_.count(operation.outcome == Outcome::ok     ? "s3 full operations ok"
                  : operation.outcome == Outcome::fail ? "s3 full operations failed"
                                                       : "s3 full operations unknown");
  }
  BucketModel model(operations_);
  const auto result = checker::check_linearizability(model, evidence, {.steps = 5'000'000});
  if (result.verdict == checker::Verdict::undecided) report_.count("s3 full buckets undecided");
  if (result.verdict == checker::Verdict::not_linearizable) {
    report_.fail("linearizability", "bucket",
                 fmt::format("the bucket is not linearizable: {}", result.message), world_.now());
  }
}

}  // namespace keelson::scenarios
