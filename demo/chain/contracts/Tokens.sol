// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A token of ERC-20 without a lid: whoever deployed it makes as much as a demo needs.
contract DemoToken {
    string public name;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    address public immutable maker = msg.sender;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(string memory name_, string memory symbol_, uint8 decimals_) {
        (name, symbol, decimals) = (name_, symbol_, decimals_);
    }

    function mint(address to, uint256 value) external {
        require(msg.sender == maker, "not the maker");
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) internal virtual {
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// Keeps a hundredth of every transfer, while its events tell of the whole.
contract FeeToken is DemoToken {
    constructor() DemoToken("Fee on transfer", "FEE", 18) {}

    function _move(address from, address to, uint256 value) internal override {
        balanceOf[from] -= value;
        balanceOf[to] += value - value / 100;
        totalSupply -= value / 100;
        emit Transfer(from, to, value);
    }
}

/// Symbol and name in 32 bytes, as before ERC-20 was settled.
contract Bytes32Token {
    bytes32 public constant symbol = "OLD";
    bytes32 public constant name = "An old token";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }
}

/// Tells its balances and nothing else.
contract NamelessToken {
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }
}

/// Tells of transfers, and refuses to tell what anybody holds.
contract MuteToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 value) external {
        emit Transfer(address(0), to, value);
    }

    function balanceOf(address) external pure returns (uint256) {
        revert("rate limit exceeded: missing trie node");
    }

    function symbol() external pure returns (string memory) {
        revert("no");
    }

    function decimals() external pure returns (uint256) {
        return 300;
    }
}

/// Burns all gas it is given when asked for a balance.
contract GreedyToken {
    function balanceOf(address) external pure returns (uint256) {
        while (true) {}
        return 0;
    }
}

/// A name that turns the text around it, breaks lines and goes on for too long.
contract SpamToken {
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function name() external pure returns (string memory) {
        return unicode"=HYPERLINK(\"https://example.invalid\")\u202e\u0000\nclaim claim claim claim claim claim claim claim claim claim claim";
    }

    function symbol() external pure returns (string memory) {
        return unicode"\u200b<b>FREE\u2066\u0007";
    }

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }
}

/// Sends on what it gets: coin moves without a transaction of its own.
contract Forwarder {
    address payable private immutable target;

    constructor(address payable target_) {
        target = target_;
    }

    receive() external payable {
        target.transfer(msg.value);
    }
}
