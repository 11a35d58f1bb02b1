// Verbs: which can be offered, how one is called, and the device over the layers below that it may ask for.
#include <atomic>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;
using Answering = std::function<std::int32_t(const ashlar_verb_call&, ashlar_error&)>;

// A verb whose call is the test's.
struct Verb {
  ashlar_verb table{sizeof(ashlar_verb), ASHLAR_BELOW_NONE, "drop", "forget", &Verb::call};
  Answering answering = [](const ashlar_verb_call&, ashlar_error&) { return 0; };

  static std::int32_t call(void* argument, const ashlar_verb_call* how, ashlar_error* error) noexcept {
    return static_cast<Verb*>(argument)->answering(*how, *error);
  }
  std::int32_t offer_to(const ashlar_create& how) {
    const auto* control = static_cast<const ashlar_control*>(how.host->extension(how.host->self, ASHLAR_CONTROL_ID));
    return control->offer(control->self, &table, this);
  }
};

void say(const ashlar_verb_call& how, const std::string& text) { how.answer(how.self, text.data(), text.size()); }

std::int32_t fail(ashlar_error& error, const char* text) {
  std::snprintf(error.text, error.capacity, "%s", text);
  return EBUSY;
}

// A filter that offers `verb`, over another one, over a plugin.
struct ThreeLayers {
  Verb verb;
  Journal journal;
  FakeModule top{ModuleKind::filter, "top"}, middle{ModuleKind::filter, "middle"}, plugin{ModuleKind::plugin, "disk"};
  std::vector<FakeModule*> all{&top, &middle, &plugin};
  Lines opened_read_only;

  ThreeLayers() {
    top.create_how = [this](const ashlar_create& how, ashlar_layer&) { REQUIRE(verb.offer_to(how) == 0); };
    middle.process = [](ashlar_io& io, const ashlar_open& how) { return how.next->process(how.next->self, &io); };
    for (FakeModule* module : {&middle, &plugin})
      module->open_how = [this, module](const ashlar_open& how) {
        if (how.read_only != 0) opened_read_only.push_back(module->table().name);
        return 0;
      };
  }
  void keep_journal() {
    for (FakeModule* module : all) module->journal = &journal;
  }
};

std::string refusal(Export& e, std::size_t layer, const std::string& verb, const Lines& arguments = {}) {
  try {
    return "answered: " + e.call_verb(layer, verb, arguments);
  } catch (const VerbError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a verb is called with its arguments, and what it says is the answer") {
  ThreeLayers m;
  m.verb.answering = [](const ashlar_verb_call& how, ashlar_error&) {
    CHECK(how.struct_size == sizeof(ashlar_verb_call));
    CHECK(how.next == nullptr);
    CHECK(how.below == nullptr);
    for (std::uint32_t i = 0; i < how.n_arguments; ++i) say(how, std::string(how.arguments[i]) + "\n");
    return 0;
  };
  FakeExport e(m.all);
  m.keep_journal();
  CHECK(e->call_verb(0, "drop", Lines{"a", "b c", ""}) == "a\nb c\n\n");
  CHECK(e->call_verb(0, "drop", {}).empty());
  CHECK(m.journal.take().empty());  // no layer was opened for it
}

TEST_CASE("a verb's failure is told with the layer, the verb and the module's text") {
  ThreeLayers m;
  m.verb.answering = [](const ashlar_verb_call& how, ashlar_error& error) {
    say(how, "half");
    return fail(error, "still\nin use");
  };
  FakeExport e(m.all);
  CHECK(refusal(*e, 0, "drop") == "export \"disk\": filter \"top\": drop: still\\nin use");
  m.verb.answering = [](const ashlar_verb_call&, ashlar_error&) { return ENOSPC; };
  CHECK(refusal(*e, 0, "drop") == "export \"disk\": filter \"top\": drop: No space left on device");
  m.verb.answering = [](const ashlar_verb_call&, ashlar_error&) { return -1; };
  CHECK(refusal(*e, 0, "drop") == "export \"disk\": filter \"top\": drop: Input/output error");
}

TEST_CASE("what cannot be called is refused") {
  ThreeLayers m;
  FakeExport e(m.all);
  CHECK(refusal(*e, 0, "drip") == "export \"disk\": filter \"top\": no verb \"drip\"; did you mean \"drop\"?");
  CHECK(refusal(*e, 0, "status") == "export \"disk\": filter \"top\": no verb \"status\"; known: drop");
  CHECK(refusal(*e, 1, "drop") == "export \"disk\": filter \"middle\": no verb \"drop\"; it has none");
  CHECK(refusal(*e, 3, "drop") == "export \"disk\" has no such layer");
  CHECK(refusal(*e, 0, "drop", {std::string("a\0b", 3)}) ==
        "export \"disk\": filter \"top\": an argument has a NUL character; take it out");
}

TEST_CASE("an answer without end is cut off") {
  ThreeLayers m;
  const std::string much(std::size_t{9} << 20, 'x');
  m.verb.answering = [&](const ashlar_verb_call& how, ashlar_error&) {
    for (int i = 0; i < 3; ++i) say(how, much);
    return 0;
  };
  FakeExport e(m.all);
  CHECK(refusal(*e, 0, "drop") == "export \"disk\": filter \"top\": drop: the answer is over 16 MiB long");
}

TEST_CASE("only what is a verb can be offered, once, and only within create") {
  FakeModule plugin(ModuleKind::plugin, "disk");
  Verb good, same, late;
  std::vector<std::unique_ptr<Verb>> bad;
  const auto spoilt = [&bad](auto spoil) {
    bad.push_back(std::make_unique<Verb>());
    spoil(bad.back()->table);
  };
  for (const char* name : {"", "Drop", "2drop", "-drop", "dro_p", "drop all"})
    spoilt([name](ashlar_verb& verb) { verb.name = name; });
  spoilt([](ashlar_verb& verb) { verb.name = nullptr; });
  spoilt([](ashlar_verb& verb) { verb.help = nullptr; });
  spoilt([](ashlar_verb& verb) { verb.call = nullptr; });
  spoilt([](ashlar_verb& verb) { verb.below = 3; });
  spoilt([](ashlar_verb& verb) { verb.struct_size = 24; });
  const ashlar_host* host = nullptr;
  plugin.create_how = [&](const ashlar_create& how, ashlar_layer&) {
    host = how.host;
    for (const auto& verb : bad) CHECK(verb->offer_to(how) == EINVAL);
    CHECK(good.offer_to(how) == 0);
    CHECK(same.offer_to(how) == EEXIST);
  };
  FakeExport e({&plugin});
  const ashlar_create after{sizeof(ashlar_create), 1, "disk", host, nullptr};
  late.table.name = "late";
  CHECK(late.offer_to(after) == EINVAL);
  REQUIRE(e->layers()[0]->services().verbs().all().size() == 1);
  CHECK(e->layers()[0]->services().verbs().all()[0].verb == &good.table);
}

TEST_CASE("a verb that asks for the layers below has them opened for the call, and closed behind it") {
  ThreeLayers m;
  m.verb.table.below = ASHLAR_BELOW_READ;
  m.plugin.process = [](ashlar_io& io, const ashlar_open&) {
    std::memset(io.data, 'x', io.length);
    return 0;
  };
  FakeExport e(m.all);
  m.keep_journal();
  m.verb.answering = [&](const ashlar_verb_call& how, ashlar_error&) {
    CHECK(m.journal.take() == Lines{"open disk", "describe disk", "open middle", "describe middle"});
    REQUIRE(how.next != nullptr);
    CHECK(how.below->bytes == m.plugin.geometry.bytes);
    CHECK((how.below->ops & Ops::writing().bits()) == 0);
    CHECK((how.below->traits & ASHLAR_READ_ONLY) != 0);
    char data[4] = {};
    ashlar_io io{};
    io.struct_size = sizeof io;
    io.length = sizeof data;
    io.data = data;
    CHECK(how.next->process(how.next->self, &io) == 0);
    say(how, std::string(data, sizeof data));
    return 0;
  };
  CHECK(e->call_verb(0, "drop", {}) == "xxxx");
  CHECK(m.opened_read_only == Lines{"disk", "middle"});
  CHECK(m.journal.take() == Lines{"close middle", "close disk"});

  m.verb.answering = [](const ashlar_verb_call&, ashlar_error& error) { return fail(error, "no"); };
  CHECK_THROWS_AS(e->call_verb(0, "drop", {}), VerbError);
  const Lines after = m.journal.take();
  CHECK(Lines(after.end() - 2, after.end()) == Lines{"close middle", "close disk"});
}

TEST_CASE("a verb that writes has the layers below opened for it, unless nothing may be written") {
  ThreeLayers m;
  m.verb.table.below = ASHLAR_BELOW_WRITE;
  m.verb.answering = [](const ashlar_verb_call& how, ashlar_error&) {
    CHECK((how.below->ops & ASHLAR_OP_BIT(ASHLAR_OP_WRITE)) != 0);
    say(how, "done");
    return 0;
  };
  {
    FakeExport e(m.all);
    CHECK(e->call_verb(0, "drop", {}) == "done");
    CHECK(m.opened_read_only.empty());
  }
  {
    FakeExport e(m.all, {.read_only = true});
    CHECK(refusal(*e, 0, "drop") == "export \"disk\": filter \"top\": drop writes, and the export is read-only");
  }
  m.middle.geometry.traits = ASHLAR_READ_ONLY;
  FakeExport e(m.all);
  CHECK(refusal(*e, 0, "drop") ==
        "export \"disk\": filter \"top\": drop writes, and the layers below cannot be written to");
}

TEST_CASE("a verb whose layers below cannot be opened is not called") {
  ThreeLayers m;
  m.verb.table.below = ASHLAR_BELOW_READ;
  bool called = false;
  m.verb.answering = [&](const ashlar_verb_call&, ashlar_error&) {
    called = true;
    return 0;
  };
  FakeExport e(m.all);
  m.plugin.open = [](ashlar_error& error) { return fail(error, "gone"); };
  CHECK_THROWS_WITH(e->call_verb(0, "drop", {}), "export \"disk\": plugin \"disk\": gone");
  CHECK_FALSE(called);
}

TEST_CASE("a plugin has no layers below, whatever its verb asks for") {
  FakeModule plugin(ModuleKind::plugin, "disk");
  Verb verb;
  verb.table.below = ASHLAR_BELOW_WRITE;
  verb.answering = [](const ashlar_verb_call& how, ashlar_error&) { return how.next == nullptr ? 0 : EIO; };
  plugin.create_how = [&](const ashlar_create& how, ashlar_layer&) { REQUIRE(verb.offer_to(how) == 0); };
  FakeExport e({&plugin});
  CHECK(e->call_verb(0, "drop", {}).empty());
}

TEST_CASE("in a serial export no request runs while a verb is answered, and the verb may use the layers below") {
  ThreeLayers m;
  m.plugin.make_serial();
  m.verb.table.below = ASHLAR_BELOW_READ;
  FakeExport e(m.all);
  const auto chain = e->open();
  m.verb.answering = [&](const ashlar_verb_call& how, ashlar_error&) {
    int status = 0;
    std::thread other([&] {
      ashlar_io io{};
      io.flags = ASHLAR_NOWAIT;
      status = chain->process(io);
    });
    other.join();
    CHECK(status == EAGAIN);
    ashlar_io io{};
    return how.next->process(how.next->self, &io);
  };
  CHECK(e->call_verb(0, "drop", {}).empty());
  ashlar_io io{};
  CHECK(chain->process(io) == 0);
}

TEST_CASE("a verb that does not return is named as what is under way") {
  ThreeLayers m;
  FakeExport e(m.all);
  m.verb.answering = [&](const ashlar_verb_call&, ashlar_error&) {
    const auto calls = e->activity().under_way();
    REQUIRE(calls.size() == 1);
    CHECK(calls[0].layer == "filter \"top\"");
    CHECK(calls[0].call == "verb");
    return 0;
  };
  e->call_verb(0, "drop", {});
  CHECK(e->activity().under_way().empty());
}

TEST_CASE("a verb whose caller has gone is told that nobody wants its answer") {
  ThreeLayers m;
  const ashlar_wait* wait = nullptr;
  m.top.create_how = [&](const ashlar_create& how, ashlar_layer&) {
    wait = static_cast<const ashlar_wait*>(how.host->extension(how.host->self, ASHLAR_WAIT_ID));
    REQUIRE(m.verb.offer_to(how) == 0);
  };
  FakeExport asked(m.all);
  std::atomic<bool> gone{false};
  Lines seen;
  m.verb.answering = [&](const ashlar_verb_call&, ashlar_error&) {
    seen.push_back(wait->cancelled(wait->self) != 0 ? "cancelled" : "wanted");
    gone.store(true);
    seen.push_back(wait->cancelled(wait->self) != 0 ? "cancelled" : "wanted");
    return 0;
  };
  Cancellation cancellation([&] { return gone.load(); });
  asked->call_verb(0, "drop", {}, &cancellation);
  CHECK(seen == Lines{"wanted", "cancelled"});
}

TEST_CASE("no verb is called any more once the server stops") {
  ThreeLayers m;
  FakeExport e(m.all);
  e->activity().stop();
  CHECK_THROWS_AS(e->call_verb(0, "drop", {}), Stopped);
}

}  // namespace ashlar::host
