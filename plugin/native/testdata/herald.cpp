// herald.cpp: a security library in C++ that lets the caller speak first. It waits for a key, fills the whole send buffer with a notice, and
// lets in whoever then types a ticket: any word of six letters.
#include <windows.h>
extern "C" {
#include <rasshost.h>
}
#include <raserror.h>

#include <cctype>
#include <cstring>

namespace {

struct Herald {
    HPORT port;
    PBYTE out, in;
    DWORD outSize;
    VOID(WINAPI *complete)(SECURITY_MESSAGE *);
    DWORD(WINAPI *send)(HPORT, PBYTE, WORD);
    DWORD(WINAPI *receive)(HPORT, PBYTE, PWORD, DWORD, HANDLE);
    DWORD(WINAPI *getInfo)(HPORT, RAS_SECURITY_INFO *);

    // key returns the next byte, or -1 when there will be none.
    int key(HANDLE event) const {
        WORD size = 1;
        RAS_SECURITY_INFO info;
        if (receive(port, in, &size, 30, event) != PENDING || WaitForSingleObject(event, INFINITE) != WAIT_OBJECT_0)
            return -1;
        if (getInfo(port, &info) != NO_ERROR || info.LastError != SUCCESS)
            return -1;
        return in[0];
    }

    // notice fills all of the send buffer.
    void notice() const {
        static const char line[] = "No admittance without a ticket.\r\n";
        for (DWORD i = 0; i < outSize; i++)
            out[i] = static_cast<BYTE>(line[i % (sizeof(line) - 1)]);
        std::memcpy(out + outSize - 8, "Ticket: ", 8);
        send(port, out, static_cast<WORD>(outSize));
    }

    void serve() const {
        SECURITY_MESSAGE message = SECURITY_MESSAGE();
        message.hPort = port;
        message.dwMsgId = SECURITYMSG_ERROR;
        message.dwError = ERROR_PORT_DISCONNECTED;
        HANDLE event = CreateEvent(NULL, FALSE, FALSE, NULL);
        if (key(event) >= 0) {
            notice();
            int length = 0, c;
            while ((c = key(event)) >= 0 && c != '\r')
                if (std::isalpha(c) && length < UNLEN)
                    message.UserName[length++] = static_cast<CHAR>(c);
            if (c == '\r') {
                message.dwMsgId = length == 6 ? SECURITYMSG_SUCCESS : SECURITYMSG_FAILURE;
                message.dwError = NO_ERROR;
            }
        }
        CloseHandle(event);
        complete(&message);
    }
};

Herald herald;

DWORD WINAPI worker(LPVOID) {
    herald.serve();
    return 0;
}

} // namespace

extern "C" DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD,
                                               VOID(WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *)) {
    HMODULE rasman = LoadLibrary("RASMAN");
    if (rasman == NULL)
        return GetLastError();
    herald = Herald{
        hPort, pSendBuf, pRecvBuf, SendBufSize, RasSecurityDialogComplete,
        reinterpret_cast<decltype(Herald::send)>(GetProcAddress(rasman, "RasSecurityDialogSend")),
        reinterpret_cast<decltype(Herald::receive)>(GetProcAddress(rasman, "RasSecurityDialogReceive")),
        reinterpret_cast<decltype(Herald::getInfo)>(GetProcAddress(rasman, "RasSecurityDialogGetInfo")),
    };
    HANDLE thread = CreateThread(NULL, 0, worker, NULL, 0, NULL);
    if (thread == NULL)
        return GetLastError();
    CloseHandle(thread);
    return NO_ERROR;
}

extern "C" DWORD WINAPI RasSecurityDialogEnd(HPORT) { return ERROR_PORT_DISCONNECTED; }
