// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What a contract at a wallet's address may do instead of answering. None of it is an approval.

contract Reverts {
    fallback() external {
        revert("no");
    }
}

/// Asks the caller to fetch the answer from an address of the contract's choice (EIP-3668).
contract LooksOffchain {
    error OffchainLookup(address sender, string[] urls, bytes callData, bytes4 callback, bytes extraData);

    string private url;

    constructor(string memory url_) {
        url = url_;
    }

    fallback() external {
        string[] memory urls = new string[](1);
        urls[0] = url;
        revert OffchainLookup(address(this), urls, msg.data, 0x1626ba7e, "");
    }
}

contract WrongMagic {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x20c13b0b))
            return(0, 0x20)
        }
    }
}

/// The magic value, and then what is not zero.
contract Garbage {
    fallback() external {
        assembly {
            mstore(0, or(shl(224, 0x1626ba7e), 1))
            return(0, 0x20)
        }
    }
}

contract Short {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 4)
        }
    }
}

contract Huge {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 0x40000)
        }
    }
}

contract Nothing {
    fallback() external {}
}

contract Echo {
    fallback() external {
        assembly {
            calldatacopy(0, 0, calldatasize())
            return(0, calldatasize())
        }
    }
}

contract BurnsGas {
    fallback() external {
        while (true) {}
    }
}

/// Good only if it may write, which a question must not.
contract Writes {
    uint256 private asked;

    fallback() external {
        asked += 1;
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 0x20)
        }
    }
}
