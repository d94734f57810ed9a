// clerk.cpp: a security library in C++ for any number of callers at once. It asks for name and password, three times at most; callerN has
// the password secret-N. It receives as much as the line delivers and keeps what it has not used; its workers end by an exception.
#include <windows.h>
extern "C" {
#include <rasshost.h>
}
#include <raserror.h>

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <string>

namespace {

using SendProc = DWORD(WINAPI *)(HPORT, PBYTE, WORD);
using ReceiveProc = DWORD(WINAPI *)(HPORT, PBYTE, PWORD, DWORD, HANDLE);
using GetInfoProc = DWORD(WINAPI *)(HPORT, RAS_SECURITY_INFO *);
using CompleteProc = VOID(WINAPI *)(SECURITY_MESSAGE *);

const int attempts = 3;
const std::size_t lineLimit = 64;
const DWORD answerTimeout = 60; // seconds

// Over is thrown when the dialog cannot go on.
struct Over {
    DWORD error;
};

// Mutex is a critical section that is left at the end of a Lock's scope.
class Mutex {
public:
    Mutex() { InitializeCriticalSection(&section); }
    ~Mutex() { DeleteCriticalSection(&section); }

    class Lock {
    public:
        explicit Lock(Mutex &m) : mutex(m) { EnterCriticalSection(&mutex.section); }
        ~Lock() { LeaveCriticalSection(&mutex.section); }
        Lock(const Lock &) = delete;
        Lock &operator=(const Lock &) = delete;

    private:
        Mutex &mutex;
    };

private:
    CRITICAL_SECTION section;
};

// Handle closes a handle at the end of its scope.
class Handle {
public:
    explicit Handle(HANDLE h) : handle(h) {}
    ~Handle() {
        if (handle != NULL)
            CloseHandle(handle);
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    HANDLE get() const { return handle; }

private:
    HANDLE handle;
};

// Rasman is what the host's library offers.
class Rasman {
public:
    Rasman() : module(LoadLibraryA("RASMAN.DLL")) {
        find(send, "RasSecurityDialogSend");
        find(receive, "RasSecurityDialogReceive");
        find(getInfo, "RasSecurityDialogGetInfo");
    }

    SendProc send;
    ReceiveProc receive;
    GetInfoProc getInfo;

private:
    template <typename Proc> void find(Proc &proc, const char *name) {
        if (module == NULL)
            throw Over{ERROR_MOD_NOT_FOUND};
        proc = reinterpret_cast<Proc>(GetProcAddress(module, name));
        if (proc == NULL)
            throw Over{ERROR_PROC_NOT_FOUND};
    }

    HMODULE module;
};

const Rasman &rasman() {
    static Rasman only;
    return only;
}

// Dialog is one transaction.
class Dialog {
public:
    Dialog(HPORT port, PBYTE sendBuf, DWORD sendSize, PBYTE recvBuf, DWORD recvSize, CompleteProc proc)
        : hport(port), out(sendBuf), outSize(sendSize), in(recvBuf), inSize(static_cast<WORD>(recvSize)), complete(proc),
          received(CreateEvent(NULL, FALSE, FALSE, NULL)), stopped(CreateEvent(NULL, TRUE, FALSE, NULL)) {
        if (received.get() == NULL || stopped.get() == NULL)
            throw Over{GetLastError()};
    }

    void stop() { SetEvent(stopped.get()); }

    void run() {
        SECURITY_MESSAGE message = SECURITY_MESSAGE();
        message.hPort = hport;
        try {
            std::string name;
            message.dwMsgId = talk(name) ? SECURITYMSG_SUCCESS : SECURITYMSG_FAILURE;
            lstrcpynA(message.UserName, name.empty() ? "(nobody)" : name.c_str(), sizeof(message.UserName));
        } catch (const Over &over) {
            message.dwMsgId = SECURITYMSG_ERROR;
            message.dwError = over.error;
        }
        if (WaitForSingleObject(stopped.get(), 0) == WAIT_TIMEOUT)
            complete(&message);
    }

private:
    bool talk(std::string &name) {
        for (int attempt = 0; attempt < attempts; attempt++) {
            bool whole = ask("Name: ", name);
            if (!whole)
                return false;
            std::string secret;
            whole = ask("\r\nPassword: ", secret);
            const bool match = whole && name.compare(0, 6, "caller") == 0 && secret == "secret-" + name.substr(6);
            SecureZeroMemory(&secret[0], secret.size());
            if (match)
                return true;
            if (!whole)
                return false;
            say("\r\nNo.\r\n");
        }
        return false;
    }

    // ask is false when the answer has more than lineLimit bytes.
    bool ask(const std::string &prompt, std::string &answer) {
        answer.clear();
        say(prompt);
        for (;;) {
            if (ahead.empty())
                receive();
            const char key = ahead[0];
            ahead.erase(0, 1);
            if (key == '\r')
                return true;
            if (key == '\n' || key == '\0')
                continue;
            if (answer.size() == lineLimit)
                return false;
            answer += key;
        }
    }

    void say(const std::string &text) {
        const WORD size = static_cast<WORD>(std::min<std::size_t>(text.size(), outSize));
        std::copy(text.begin(), text.begin() + size, out);
        const DWORD error = rasman().send(hport, out, size);
        if (error != PENDING)
            throw Over{error};
    }

    void receive() {
        WORD size = inSize;
        DWORD error = rasman().receive(hport, in, &size, answerTimeout, received.get());
        if (error != PENDING)
            throw Over{error};
        const HANDLE either[2] = {stopped.get(), received.get()};
        if (WaitForMultipleObjects(2, either, FALSE, INFINITE) != WAIT_OBJECT_0 + 1)
            throw Over{ERROR_PORT_DISCONNECTED};
        RAS_SECURITY_INFO info;
        error = rasman().getInfo(hport, &info);
        if (error == NO_ERROR)
            error = info.LastError;
        if (error != SUCCESS)
            throw Over{error};
        ahead.assign(reinterpret_cast<const char *>(in), info.BytesReceived);
        SecureZeroMemory(in, info.BytesReceived);
    }

    const HPORT hport;
    const PBYTE out;
    const DWORD outSize;
    const PBYTE in;
    const WORD inSize;
    const CompleteProc complete;
    Handle received, stopped;
    std::string ahead;
};

Mutex mutex;
std::map<HPORT, std::shared_ptr<Dialog>> dialogs; // guarded by mutex

DWORD WINAPI worker(LPVOID parameter) {
    std::unique_ptr<std::shared_ptr<Dialog>> dialog(static_cast<std::shared_ptr<Dialog> *>(parameter));
    (*dialog)->run();
    return 0;
}

} // namespace

extern "C" DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                               VOID(WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *)) {
    try {
        rasman();
        auto dialog = std::make_shared<Dialog>(hPort, pSendBuf, SendBufSize, pRecvBuf, RecvBufSize, RasSecurityDialogComplete);
        std::unique_ptr<std::shared_ptr<Dialog>> own(new std::shared_ptr<Dialog>(dialog));
        Mutex::Lock lock(mutex);
        DWORD id;
        Handle thread(CreateThread(NULL, 0, worker, own.get(), 0, &id));
        if (thread.get() == NULL)
            return GetLastError();
        own.release();
        dialogs[hPort] = dialog;
        return NO_ERROR;
    } catch (const Over &over) {
        return over.error;
    } catch (const std::bad_alloc &) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
}

extern "C" DWORD WINAPI RasSecurityDialogEnd(HPORT hPort) {
    Mutex::Lock lock(mutex);
    const auto found = dialogs.find(hPort);
    if (found != dialogs.end()) {
        found->second->stop();
        dialogs.erase(found);
    }
    return ERROR_PORT_DISCONNECTED;
}
